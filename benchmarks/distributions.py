"""Counting class distributions against the bare forward pass of the same model, in one run.

The two are timed in alternation over the same images, so that a busy machine slows both alike.
"""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np

from benchmarks.report import machine, row
from ndcore.activations.distributions import empty_histograms
from ndcore.activations.reading import read_source
from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.networks.forward import forward
from ndcore.steps import in_parts

BATCH = 256
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
    histograms = empty_histograms(bundle.model, bundle.layers, source, members[:BATCH])

    def count() -> None:
        reading = read_source(bundle.model, bundle.layers, source, members, batch=BATCH)
        for key, values in reading.activations.items():
            histograms[key].update(values, labels)

    def passes() -> None:
        for part in in_parts(n, BATCH):
            forward(bundle.model, source.pixels(members[part]))

    spent = {"count": 0.0, "forward": 0.0}
    for index in range(ROUNDS + 1):
        for name, work in (("forward", passes), ("count", count)):
            started = time.perf_counter()
            work()
            if index:  # the first round warms up
                spent[name] += time.perf_counter() - started
    rates = {name: n * ROUNDS / seconds for name, seconds in spent.items()}
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = [
        row("bare forward", rates["forward"], "images/s"),
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
