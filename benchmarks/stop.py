"""How long work goes on after it was told to stop, with every core busy otherwise.

Every kind of work that a page can stop is started again and again, with as many threads as the
app gives it, and told to stop at a random moment.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.attacking.targets import Targets, choose_targets
from benchmarks.report import Row, limited, machine, row
from ndcore.analysis.causal import causal_test
from ndcore.analysis.natural_errors import find_errors
from ndcore.attacks import AttackConfig, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.errors import StoppedError
from ndcore.evolution import facets_of
from ndcore.networks.stoppable import stoppable
from ndcore.steps import ShouldStop, Step, no_step
from ndcore.study.calibrated import Detectors
from ndcore.study.incoming import Images
from ndcore.study.triage import judge_images

TRIES = 20
EARLIEST_S, LATEST_S = 0.02, 0.8  # after the start
LIMIT_S = 1.0
IMAGES = 400  # of a batch, repeats included: more than are done before the stop
PATCHES, SIDE = 1000, 12
TRIAGE = ("repair-turn", "wasserstein", "llr")  # a detector of each kind

# Goes on until it is through, or told to stop.
Work = Callable[[ShouldStop], object]


def run(bundle: Bundle, n: int | None = None, *, on_step: Step = no_step) -> dict[str, Any]:
    """Stop each kind of work `n` times.

    Args:
        bundle: whose model works.
        n: tries of each kind (default 20).
        on_step: called with (what is being done, done, total).
    """
    tries, works = n or TRIES, _works(bundle)
    rows: list[Row] = []
    with _as_the_app(), _busy():
        for done, (name, work) in enumerate(works.items()):
            on_step(f"stop: {name}", done, len(works))
            waits, computing = zip(*_waits(work, tries), strict=True)
            rows.append(limited(f"{name}: longest of {tries} stops", max(waits), "s", LIMIT_S))
            rows.append(row(f"{name}: most computing after a stop", max(computing), "s"))
    for what, told in (("longest of", rows[::2]), ("most computing after", rows[1::2])):
        worst = max(each["value"] for each in told)
        rows.append(limited(f"{what} all {tries * len(works)} stops", worst, "s", LIMIT_S))
    return {"name": "stop", "machine": machine(), "bundle": bundle.name, "rows": rows}


def _waits(work: Work, tries: int) -> list[tuple[float, float]]:
    """Seconds from the moment of the stop to the end, and of these the processor's for this work.

    The latter do not hang on how many others share the processor. 0 where the work ended before.
    """
    rng, waits = np.random.default_rng(0), []
    for _ in range(tries):
        moment = time.monotonic() + rng.uniform(EARLIEST_S, LATEST_S)
        with contextlib.suppress(StoppedError):
            work(question := _Past(moment))
        waits.append((max(0.0, time.monotonic() - moment), question.computed()))
    return waits


class _Past:
    """Whether a moment is past; the processor's time is kept from the last question before."""

    def __init__(self, moment: float) -> None:
        self._moment = moment
        self._before = time.thread_time()
        self._late = False

    def __call__(self) -> bool:
        self._late = time.monotonic() >= self._moment
        if not self._late:
            self._before = time.thread_time()
        return self._late

    def computed(self) -> float:
        """Seconds since the last question before the moment."""
        return time.thread_time() - self._before if self._late else 0.0


def _works(bundle: Bundle) -> dict[str, Work]:
    targets = choose_targets(bundle, IMAGES, None, 0)
    repeated = np.resize(np.arange(len(targets)), IMAGES)
    many = Targets(
        bundle,
        targets.pixels[repeated],
        [targets.labels[i] for i in repeated],
        [f"{number}" for number in range(IMAGES)],
        targets.source,
    )
    attacks = {
        "attack fast": (targets, AttackConfig("fast")),
        "map": (targets.first(1), AttackConfig("exhaustive")),
        "attack de": (targets, AttackConfig("de")),
        "attack de, 3 pixels": (targets, AttackConfig("de", pixels=3)),
        "attack cw": (targets, AttackConfig("cw")),
        f"batch of {IMAGES} images": (many, AttackConfig("fast")),
    }
    return {
        "first attack": _first_attack(targets),
        **{name: _attack(of, config) for name, (of, config) in attacks.items()},
        **_judging(bundle, many),
        "search for errors": _errors(bundle, many),
        "facets": _facets(),
    }


def _attack(targets: Targets, config: AttackConfig) -> Work:
    return lambda should_stop: targets.attack(config, should_stop=should_stop)


def _first_attack(targets: Targets) -> Work:
    """On a model that was never attacked: its evaluator is made first."""

    def work(should_stop: ShouldStop) -> object:
        fresh = nn.Sequential(targets.bundle.model)  # another model with the same weights
        told = targets.pixels, targets.labels, targets.ids, AttackConfig("fast")
        return attack_images(fresh, *told, should_stop=should_stop)

    return work


def _judging(bundle: Bundle, targets: Targets) -> dict[str, Work]:
    """Triage, the search for the pixel, and the clamp."""
    detectors, count = Detectors(bundle), len(targets)
    known = np.zeros(count, np.int8)
    labels = np.array(targets.labels, np.int64)
    images = Images(tuple(targets.ids), labels, targets.pixels, ("benign",) * count, known)

    def triage(name: str) -> Work:
        detector = detectors.open(name)
        return lambda should_stop: judge_images(detector, images, should_stop=should_stop)

    works = {f"triage {name}": triage(name) for name in TRIAGE if name in detectors.entries}
    repairer = detectors.repairer()

    def search(should_stop: ShouldStop) -> object:
        with stoppable(should_stop):
            return repairer.see(targets.pixels[:4])

    works["search for the pixel"] = search
    layered = detectors.layered()
    if layered is not None:
        verdict = layered.detect(targets.pixels[:1])[0]
        works["clamp"] = lambda should_stop: causal_test(
            bundle, targets.pixels[0], verdict, targets.pixels, labels, should_stop=should_stop
        )
    return works


def _errors(bundle: Bundle, targets: Targets) -> Work:
    source = open_source(targets.source)
    members = np.resize(np.arange(len(source)), 10 * IMAGES).tolist()
    return lambda should_stop: find_errors(bundle, source, members, should_stop=should_stop)


def _facets() -> Work:
    rng = np.random.default_rng(0)
    patches = rng.integers(0, 256, (PATCHES, SIDE, SIDE, 3), dtype=np.uint8)
    activations = rng.random(PATCHES)
    return lambda should_stop: facets_of(patches, activations, should_stop=should_stop)


@contextlib.contextmanager
def _as_the_app() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """One process per core that does nothing but count."""
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
