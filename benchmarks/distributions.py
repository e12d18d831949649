"""Counting class distributions against the bare forward pass of the same model, in one run.

The two are timed in alternation over the same images, so that a busy machine slows both alike. The
bare pass takes the batch size that is fastest for it, the counting the one that `build` takes.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.report import machine, row
from ndcore.activations.distributions import count_distributions
from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.networks.forward import forward
from ndcore.steps import in_parts

BATCHES = (1, 4, 16, 64, 256)
ROUNDS = 5
DEFAULT_N = 2048


def run(bundle: Bundle, n: int | None = None) -> dict[str, Any]:
    """Time both on `n` seeded noise images per round (content does not change the work), of the
    classes that the bundle has images of (counts of many classes with an image each are memory
    that is cleared and hardly used)."""
    n = n or DEFAULT_N
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, *bundle.shape), dtype=np.uint8)
    held = bundle.manifest["distributions"].get("held", range(len(bundle.classes)))
    labels = rng.choice(np.array(held), n)
    source = ImageSource(
        name="noise",
        classes=bundle.classes,
        ids=tuple(f"noise:{i}" for i in range(n)),
        labels=labels.astype(np.int64),
        parts=("",) * n,
        lossless=np.ones(n, np.bool_),
        shape=bundle.shape,
        read=lambda i: pixels[i],
    )
    members = list(range(n))

    def count() -> None:
        count_distributions(bundle.model, bundle.layers, source, members)

    def passes(batch: int) -> None:
        for part in in_parts(n, batch):
            forward(bundle.model, source.pixels(members[part]))

    tried = {batch: seconds_of(partial(passes, batch)) for batch in BATCHES if batch <= n}
    fastest = min(tried, key=lambda batch: tried[batch])

    spent: dict[str, list[Seconds]] = {"count": [], "forward": []}
    for index in range(ROUNDS + 1):
        for name, work in (("forward", partial(passes, fastest)), ("count", count)):
            seconds = Seconds.of(work)
            if index:  # the first round warms up
                spent[name].append(seconds)
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = []
    for clock, unit in (("wall", "images/s"), ("processor", "images/s of processor time")):
        took = {
            name: np.array([getattr(each, clock) for each in looks])
            for name, looks in spent.items()
        }
        rates = {name: n / float(np.median(each)) for name, each in took.items()}
        ratio = float(np.median(took["forward"] / took["count"]))
        told = "bare forward, median of rounds"
        rows += [
            row(f"bare forward, batch {fastest}", rates["forward"], unit),
            row("forward, capture and count", rates["count"], unit, told, ratio),
        ]
    rows.append(row("peak memory", peak_mb, "MB"))
    return {"name": "distributions", "machine": machine(), "rows": rows}


@dataclass(frozen=True)
class Seconds:
    """How long something took: by the clock, and of all processors together."""

    wall: float
    processor: float

    @classmethod
    def of(cls, work: Callable[[], None]) -> Seconds:
        """Do it."""
        wall, processor = time.perf_counter(), time.process_time()
        work()
        return cls(time.perf_counter() - wall, time.process_time() - processor)


def seconds_of(work: Callable[[], None]) -> float:
    """How long it takes by the clock."""
    return Seconds.of(work).wall
