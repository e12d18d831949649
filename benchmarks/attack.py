"""One-pixel attacks: queries per second, queries per success, and time to the same successes.

All in one process, on one checkpoint, on correctly classified lossless images.

Speed. Every way of computing is timed in alternation, several rounds, and its median is taken, so
that a busy machine slows all alike. The bare forward passes get whole random images. Ours are
timed as the engines run: `exhaustive` fills the whole map of an image, its float32 confirmations,
its bookkeeping and its search included.

Search. `exhaustive` (all corners of all pixels), `fast` and `de` run on the same images; a
success is an 8-bit image with one changed pixel that flips in a plain float32 pass.

Peers. The goal is 80% of the successes of `exhaustive` on the first `RACE` images (as many again
cost minutes for every setting of a peer). Every method takes these images in the same
order and stops when it has reached the goal; `fast` has its pool, a peer its own batches. A peer
is tried with several populations and generations and is stopped when it has had `PATIENCE` times
as long as `fast`; then it is reported as not having reached the goal, with what it found. Reading
images, loading libraries and one warm-up image per method are not counted. The methods run one
after another, so `cpu_seconds` stands beside the wall time for when the machine was not quiet.
"""

from __future__ import annotations

import copy
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.fx.experimental.optimization import fuse

from benchmarks.attack_peers import PEERS, Counter, Setting, installed
from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import ImageSource, open_data, open_source
from ndcore.data.pixels import paint
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError
from ndcore.figures.lab.query_curve import query_curve
from ndcore.networks.evaluator import Evaluator, evaluator_for
from ndcore.networks.forward import predict
from ndcore.statistics.intervals import wilson
from ndcore.storage.atomic import write_bytes

__all__ = ["run"]

DEFAULT_N = 20
ROUNDS = 3
LOOKS = 3
PEER_BATCH = 400
BATCHES = (64, 128, 256, 400)
RANDOM_CHANGES = 1024
GOAL = 0.8
RACE = 40
PATIENCE = 5.5
SETTINGS = (Setting(100, 3), Setting(200, 5), Setting(400, 9))


def run(
    bundle: Bundle,
    n: int | None = None,
    *,
    peers: bool = False,
    data: str | None = None,
    de_queries: int = 4000,
    picture: str | None = None,
    seed: int = 0,
    on_step: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Run the benchmark.

    Args:
        bundle: what to attack.
        n: correctly classified images (default 20).
        peers: also run other libraries.
        data: where the lossless images of the bundle's evaluation split are; None for the
            samples (or, for other bundles, scikit-learn's digits).
        de_queries: budget of `de` per image; 0 leaves it out.
        picture: file for the query curve as SVG.
        seed: of the images' choice and of the searches.
        on_step: called with (what is being done, done, total).
    """

    def step(what: str, done: int = 0, total: int = 0) -> None:
        if on_step:
            on_step(what, done, total)

    pixels, labels, ids, origin = _images(bundle, n or DEFAULT_N, data, seed)
    step("speed")
    rows = _speed(bundle, pixels, labels, ids, step)
    found: dict[str, list[AttackResult]] = {}
    for engine in ("exhaustive", "fast", *(["de"] if de_queries else [])):
        budget = de_queries if engine == "de" else None
        config = AttackConfig(engine, max_queries=budget, seed=seed)
        done = 0

        def on_result(_: int, __: AttackResult, engine: str = engine) -> None:
            nonlocal done
            done += 1
            step(engine, done, len(ids))

        found[engine] = attack_images(
            bundle.model, pixels, labels, ids, config, on_result=on_result
        )
    rows += _search_rows(found)
    curves = {engine: _curve(results) for engine, results in found.items()}
    document: dict[str, Any] = {
        "name": "attack",
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, "
        f"torch {torch.__version__}",
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "images": {"source": origin, "n": len(ids), "seed": seed},
        "engines": {
            engine: {
                "succeeded": sum(result.success for result in results),
                "attacked": len(results),
                "ci95": list(wilson(sum(r.success for r in results), len(results))),
                "budget": results[0].config.budget(bundle.shape),
            }
            for engine, results in found.items()
        },
    }
    entrants = slice(0, RACE)
    goal = math.ceil(GOAL * sum(result.success for result in found["exhaustive"][entrants]))
    if peers:
        document["goal"] = goal
    if peers and goal:  # a race to nothing says nothing
        document["peers"], more = _race(
            bundle, pixels[entrants], labels[entrants], ids[entrants], goal, seed, step
        )
        rows += more
    if picture:
        svg = query_curve(curves, len(ids), title=f"{bundle.name}, {len(ids)} images")
        write_bytes(Path(picture), svg.encode())
    return document | {"curves": curves, "rows": rows}


def _images(
    bundle: Bundle, n: int, data: str | None, seed: int
) -> tuple[NDArray[np.uint8], list[int], list[str], str]:
    """The first `n` correctly classified lossless images in a seeded random order."""
    source: ImageSource
    if data:
        source = open_data(data, bundle.shape)
        members = positions(source, bundle.splits["evaluation"])
    else:
        source = open_source("samples" if bundle.shape == (32, 32, 3) else "digits")
        members = list(range(len(source)))
    if source.classes != bundle.classes or source.shape != bundle.shape:
        raise BadRequestError(f"the images of {source.name} are not those of {bundle.name}")
    lossless = np.array([i for i in members if source.lossless[i]])
    chosen: list[int] = []
    for start in range(0, len(lossless), 256):
        part = np.random.default_rng(seed).permutation(lossless)[start : start + 256].tolist()
        right = predict(bundle.model, source, part).argmax(1) == source.labels[part]
        chosen += [i for i, good in zip(part, right, strict=True) if good]
        if len(chosen) >= n:
            break
    chosen = chosen[:n]
    if not chosen:
        raise BadRequestError("there are no correctly classified lossless images to attack")
    ids = [source.ids[i] for i in chosen]
    return source.pixels(chosen), source.labels[chosen].tolist(), ids, source.name


def _row(
    what: str, value: float, unit: str, against: str = "", ratio: float | None = None
) -> dict[str, Any]:
    return {"what": what, "value": value, "unit": unit, "against": against, "ratio": ratio}


def _speed(
    bundle: Bundle,
    pixels: NDArray[np.uint8],
    labels: Sequence[int],
    ids: Sequence[str],
    step: Callable[[str, int, int], None],
) -> list[dict[str, Any]]:
    exact = evaluator_for(bundle.model, bundle.shape, "float32")
    ways = _dense_ways(bundle)
    # Quick looks at all, then rounds among the best and ours. The best of several, because one
    # look on a busy machine may drop the fastest and so flatter ours.
    quick = dict.fromkeys(ways, 0.0)
    for _ in range(LOOKS):
        for name, (work, count) in ways.items():
            quick[name] = max(quick[name], _rate(work, count))
    peer = f"float32 NCHW, batch {PEER_BATCH}"
    best = sorted(quick, key=lambda name: -quick[name])[:3]
    contest = {name: ways[name] for name in dict.fromkeys([peer, *best])}
    for precision in ("float32", "auto"):
        contest[f"ours, {precision}"] = _ours(bundle, pixels, labels, ids, precision)
    for work, _ in contest.values():
        work()
    rates: dict[str, list[float]] = {name: [] for name in contest}
    for index in range(ROUNDS):
        step("speed", index, ROUNDS)
        for name, (work, count) in contest.items():
            rates[name].append(_rate(work, count))
    median = {name: float(np.median(values)) for name, values in rates.items()}
    fastest = max((name for name in median if not name.startswith("ours")), key=median.__getitem__)
    screen = evaluator_for(bundle.model, bundle.shape).precision
    difference = _difference(exact, pixels[0])
    return [
        _row(f"bare forward, {peer}", median[peer], "images/s"),
        _row(f"fastest bare float32 forward: {fastest}", median[fastest], "images/s"),
        _row(
            "exhaustive, float32",
            median["ours, float32"],
            "queries/s",
            "fastest bare float32 forward",
            median["ours, float32"] / median[fastest],
        ),
        _row(
            f"exhaustive, {screen} screen, float32 confirmation",
            median["ours, auto"],
            "queries/s",
            f"bare forward, {peer}",
            median["ours, auto"] / median[peer],
        ),
        _row(
            f"largest float32 logit difference to the plain model, {RANDOM_CHANGES} changes",
            difference,
            "logits",
        ),
    ]


def _rate(work: Callable[[], object], count: int) -> float:
    started = time.perf_counter()
    work()
    return count / (time.perf_counter() - started)


def _dense_ways(bundle: Bundle) -> dict[str, tuple[Callable[[], object], int]]:
    """Every bare float32 forward pass: layout, batch norm folded or not, batch size."""
    height, width, channels = bundle.shape
    ways: dict[str, tuple[Callable[[], object], int]] = {}
    # `fuse` is torch's own folding, so that the yardstick shares no code with the evaluator.
    for folding, model in (("", bundle.model), (", batch norm folded", fuse(bundle.model))):
        for layout, memory in (
            ("NCHW", torch.contiguous_format),
            ("channels_last", torch.channels_last),
        ):
            # With weights in the layout of the images, or each pass would convert them again.
            laid = copy.deepcopy(model).to(memory_format=memory)
            for batch in BATCHES:
                images = torch.rand(batch, channels, height, width).contiguous(memory_format=memory)

                def work(
                    model: torch.nn.Module = laid,
                    images: torch.Tensor = images,
                    times: int = max(1, PEER_BATCH // batch),
                ) -> None:
                    with torch.inference_mode():
                        for _ in range(times):
                            model(images)

                name = f"float32 {layout}{folding}, batch {batch}"
                ways[name] = work, batch * max(1, PEER_BATCH // batch)
    for warm_up, _ in ways.values():
        warm_up()
    return ways


def _ours(
    bundle: Bundle,
    pixels: NDArray[np.uint8],
    labels: Sequence[int],
    ids: Sequence[str],
    precision: str,
) -> tuple[Callable[[], object], int]:
    """The whole map of the first image: its first points are the cheaper ones."""
    config = AttackConfig("exhaustive", precision=precision)
    queries = config.budget(bundle.shape)

    def work() -> object:
        return attack_images(bundle.model, pixels[:1], labels[:1], ids[:1], config)

    return work, queries


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


def _curve(results: Sequence[AttackResult]) -> list[int]:
    """Queries until the first hit of each success, ascending."""
    return sorted(result.first_hit for result in results if result.first_hit is not None)


def _search_rows(found: dict[str, list[AttackResult]]) -> list[dict[str, Any]]:
    broken = {
        engine: {result.id for result in results if result.success}
        for engine, results in found.items()
    }
    rows = []
    for engine, results in found.items():
        paid = [result.queries for result in results if result.success]
        attacked = len(results)
        shared = len(broken[engine] & broken["exhaustive"])
        ratio = shared / len(broken["exhaustive"]) if broken["exhaustive"] else None
        rows.append(
            _row(
                f"{engine}: images broken of {attacked}",
                len(paid),
                "images",
                "exhaustive" if engine != "exhaustive" else "",
                ratio if engine != "exhaustive" else None,
            )
        )
        if engine != "exhaustive":
            # A colour that is no corner may succeed where no corner does.
            beyond = len(broken[engine] - broken["exhaustive"])
            rows.append(_row(f"{engine}: broken, but not by exhaustive", beyond, "images"))
        if paid:
            rows.append(
                _row(f"{engine}: queries per success, mean", float(np.mean(paid)), "queries")
            )
            rows.append(
                _row(f"{engine}: queries per success, median", float(np.median(paid)), "queries")
            )
        total = sum(result.queries for result in results)
        rows.append(_row(f"{engine}: queries in all", total, "queries"))
    return rows


def _race(
    bundle: Bundle,
    pixels: NDArray[np.uint8],
    labels: Sequence[int],
    ids: Sequence[str],
    goal: int,
    seed: int,
    step: Callable[[str, int, int], None],
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Wall time until `goal` images are broken, for `fast` and for every peer and setting."""
    ours, work, reached = _fast_race(bundle, pixels, labels, ids, goal, seed)
    entries: list[dict[str, Any]] = [
        {
            "method": "fast",
            "setting": None,
            "seconds": ours,
            "cpu_seconds": work,
            "succeeded": reached,
        }
    ]
    entries[0]["reached"] = reached >= goal
    verdict = f"time to {goal} successes"
    if reached < goal:
        verdict = f"ended with {reached} of {goal} successes"
    rows = [_row(f"fast: {verdict}", ours, "s")]
    for name, (_, attack) in PEERS.items():
        if not installed(name):
            entries.append({"method": name, "problem": "not installed"})
            continue
        for setting in SETTINGS:
            model = Counter(bundle.model).eval()
            attack(model, pixels[0], labels[0], Setting(20, 1), seed)
            model.images = 0
            started, busy, broken, tried = time.perf_counter(), time.process_time(), 0, 0
            for i, image in enumerate(pixels):
                step(f"{name} {setting.queries}", i, len(pixels))
                attacked = attack(model, image, labels[i], setting, seed + i)
                broken += _holds(bundle, image, attacked, labels[i])
                tried += 1
                if broken >= goal or time.perf_counter() - started > PATIENCE * ours:
                    break
            seconds = time.perf_counter() - started
            entries.append(
                {
                    "method": name,
                    "setting": asdict(setting),
                    "seconds": seconds,
                    "cpu_seconds": time.process_time() - busy,
                    "succeeded": broken,
                    "images": tried,
                    "queries": model.images,
                    "reached": broken >= goal,
                }
            )
            verdict = f"time to {goal} successes"
            if broken < goal:
                verdict = f"stopped with {broken} of {goal} successes after {tried} images"
            what = f"{name}, {setting.population} x {setting.generations + 1}: {verdict}"
            rows.append(_row(what, seconds, "s", "fast", seconds / ours))
    times = [row["seconds"] for row in entries[1:] if row.get("reached")]
    if times and reached >= goal:
        rows.append(
            _row("fast: time of the best peer's", ours, "s", "best peer", ours / min(times))
        )
    return entries, rows


def _fast_race(
    bundle: Bundle,
    pixels: NDArray[np.uint8],
    labels: Sequence[int],
    ids: Sequence[str],
    goal: int,
    seed: int,
) -> tuple[float, float, int]:
    """Wall and processor seconds, and images broken."""
    broken = 0

    def on_result(_: int, result: AttackResult) -> None:
        nonlocal broken
        broken += result.success

    config = AttackConfig("fast", seed=seed)
    started, busy = time.perf_counter(), time.process_time()
    attack_images(
        bundle.model,
        pixels,
        labels,
        ids,
        config,
        on_result=on_result,
        should_stop=lambda: broken >= goal,
    )
    return time.perf_counter() - started, time.process_time() - busy, broken


def _holds(
    bundle: Bundle, image: NDArray[np.uint8], attacked: NDArray[np.uint8], label: int
) -> bool:
    """One changed pixel at most, and another class in a plain pass of the 8-bit image."""
    changed = int((image != attacked).any(-1).sum())
    logits = evaluator_for(bundle.model, bundle.shape).plain(attacked[None])
    return changed <= 1 and int(logits[0].argmax()) != label
