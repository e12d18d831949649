"""How fast the engines ask, beside bare forward passes of the same network.

Every way of computing is timed in alternation, several rounds, and its median is taken, so that a
busy machine slows all alike. The bare forward passes get whole random images. Ours are timed as
the engines run: `exhaustive` fills the whole map of an image, its float32 confirmations, its
bookkeeping and its search included.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from benchmarks.attacking.bare import bare_ways, fastest, rate
from benchmarks.attacking.targets import Targets
from benchmarks.report import Row, row
from ndcore.attacks import AttackConfig
from ndcore.data.pixels import paint
from ndcore.networks.evaluator import Evaluator, evaluator_for
from ndcore.steps import Step

ROUNDS = 3
LOOKS = 3
PEER_BATCH = 400
BATCHES = (64, 128, 256, 400)
RANDOM_CHANGES = 1024


def speed_rows(targets: Targets, step: Step) -> list[Row]:
    """Rates of the engine and of the best bare passes, and how exact ours are."""
    bundle = targets.bundle
    exact = evaluator_for(bundle.model, bundle.shape, "float32")
    ways = bare_ways(bundle.model, bundle.shape, BATCHES, PEER_BATCH)
    # Quick looks at all, then rounds among the best and ours.
    peer = f"float32 NCHW, batch {PEER_BATCH}"
    contest = {name: ways[name] for name in dict.fromkeys([peer, *fastest(ways, LOOKS, 3)])}
    for precision in ("float32", "auto"):
        contest[f"ours, {precision}"] = _ours(targets, precision)
    for work, _ in contest.values():
        work()
    rates: dict[str, list[float]] = {name: [] for name in contest}
    for index in range(ROUNDS):
        step("speed", index, ROUNDS)
        for name, (work, count) in contest.items():
            rates[name].append(rate(work, count))
    median = {name: float(np.median(values)) for name, values in rates.items()}
    best = max((name for name in median if not name.startswith("ours")), key=median.__getitem__)
    screen = evaluator_for(bundle.model, bundle.shape).precision
    difference = _difference(exact, targets.pixels[0])
    return [
        row(f"bare forward, {peer}", median[peer], "images/s"),
        row(f"fastest bare float32 forward: {best}", median[best], "images/s"),
        row(
            "exhaustive, float32",
            median["ours, float32"],
            "queries/s",
            "fastest bare float32 forward",
            median["ours, float32"] / median[best],
        ),
        row(
            f"exhaustive, {screen} screen, float32 confirmation",
            median["ours, auto"],
            "queries/s",
            f"bare forward, {peer}",
            median["ours, auto"] / median[peer],
        ),
        row(
            f"largest float32 logit difference to the plain model, {RANDOM_CHANGES} changes",
            difference,
            "logits",
        ),
    ]


def _ours(targets: Targets, precision: str) -> tuple[Callable[[], object], int]:
    """The whole map of the first image: its first points are the cheaper ones."""
    config = AttackConfig("exhaustive", precision=precision)
    first = targets.first(1)
    return lambda: first.attack(config), config.budget(targets.bundle.shape)


def _difference(evaluator: Evaluator, image: NDArray[np.uint8]) -> float:
    rng = np.random.default_rng(0)
    height, width, channels = image.shape
    places = np.stack(np.meshgrid(range(height), range(width), indexing="ij"), -1).reshape(-1, 1, 2)
    places = places[rng.permutation(len(places))[:RANDOM_CHANGES]]
    colours = rng.integers(0, 256, (len(places), 1, channels)).astype(np.uint8)
    found = evaluator.confirm(image, places, colours)
    plain = np.concatenate(
        [
            evaluator.plain(paint(image, places[part], colours[part]))
            for part in (slice(start, start + 256) for start in range(0, len(places), 256))
        ]
    )
    return float(np.abs(found - plain).max())
