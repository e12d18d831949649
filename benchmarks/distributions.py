"""Counting class distributions against the bare forward pass of the same model, in one run.

The two are timed in alternation over the same images, so that a busy machine slows both alike. The
bare pass takes the batch size that is fastest for it, the counting the one that `build` takes.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
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
ROUNDS = 4
DEFAULT_N = 2048


def run(bundle: Bundle, n: int | None = None) -> dict[str, Any]:
    """Time both on `n` seeded noise images per round (content does not change the work)."""
    n = n or DEFAULT_N
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (n, *bundle.shape), dtype=np.uint8)
    labels = rng.integers(0, len(bundle.classes), n)
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

    spent = {"count": 0.0, "forward": 0.0}
    for index in range(ROUNDS + 1):
        for name, work in (("forward", partial(passes, fastest)), ("count", count)):
            seconds = seconds_of(work)
            if index:  # the first round warms up
                spent[name] += seconds
    rates = {name: n * ROUNDS / seconds for name, seconds in spent.items()}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        row(f"bare forward, batch {fastest}", rates["forward"], "images/s"),
        row(
            "forward, capture and count",
            rates["count"],
            "images/s",
            "bare forward",
            rates["count"] / rates["forward"],
        ),
        row("peak memory", peak_mb, "MB"),
    ]
    return {"name": "distributions", "machine": machine(), "rows": rows}


def seconds_of(work: Callable[[], None]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
