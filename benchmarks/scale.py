"""What an image costs, and how much travels back of it, with one process and with several.

Distributions are counted over seeded noise images (content does not change that work), and the
sample images are attacked. Processor time is that of the shards, in which each worker opens the
network once; the clock also counts the start of the workers.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benchmarks.report import Row, machine, row
from ndcore.attacks import AttackConfig
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.data.catalog import open_source
from ndcore.data.sources import ImageSource
from ndcore.scale.crew import Crew, Part, Work
from ndcore.scale.network.attacked import attack_shared
from ndcore.scale.network.counted import count_shared
from ndcore.scale.network.shared import Opened, Shared

WORKERS = (1, 2)
DEFAULT_N = 8192


@dataclass(frozen=True)
class Timed:
    """Work that also tells how many seconds of processor time it took."""

    work: Callable[[Sequence[int]], Any]

    def __call__(self, shard: Sequence[int]) -> tuple[float, Any]:
        """See `Crew.parts`."""
        before = time.process_time()
        part = self.work(shard)
        return time.process_time() - before, part


@dataclass(frozen=True)
class Weighing(Crew):
    """A crew that knows how long each shard took and how many bytes came back of it."""

    seconds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    def parts(
        self, work: Work[Part], shards: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, Part]]:
        """See `Crew.parts`."""
        for at, (seconds, part) in super().parts(Timed(work), shards):
            self.seconds.append(seconds)
            self.sizes.append(len(pickle.dumps(part)))
            yield at, part


@dataclass(frozen=True)
class Noise:
    """Opens a bundle's network with noise images, or with the sample images where `n` is 0."""

    bundle: str
    n: int

    def __call__(self) -> Opened:
        """See `Named`."""
        bundle = load_bundle(self.bundle)
        return bundle.model, noise(bundle, self.n) if self.n else open_source("samples")


def run(bundle: Bundle, n: int | None = None) -> dict[str, Any]:
    """Count distributions over `n` images and attack the samples with 1 and with 2 workers."""
    images, samples = n or DEFAULT_N, open_source("samples")
    made = noise(bundle, images)
    rows: list[Row] = []
    for workers in WORKERS:
        crew = Weighing(workers)
        shared = Shared.of(crew, Noise(bundle.name, images), bundle.model, made)
        members = list(range(images))
        count = partial(count_shared, shared, bundle.model, bundle.layers, made, members)
        rows += _rows(crew, "distributions", images, count)
        if samples.shape == bundle.shape:
            shared = Shared.of(crew, Noise(bundle.name, 0), bundle.model, samples)
            everyone = range(len(samples))
            rows += _rows(crew, "fast", len(samples), partial(_attack, shared, everyone))
    return {"name": "scale", "machine": machine(), "bundle": bundle.name, "rows": rows}


def noise(bundle: Bundle, n: int) -> ImageSource:
    """Images of the bundle's size and classes, seeded."""
    pixels = np.random.default_rng(0).integers(0, 256, (n, *bundle.shape), dtype=np.uint8)
    return ImageSource(
        name="noise",
        classes=bundle.classes,
        ids=tuple(f"noise:{i}" for i in range(n)),
        labels=np.arange(n) % len(bundle.classes),
        parts=("",) * n,
        lossless=np.ones(n, np.bool_),
        shape=bundle.shape,
        read=lambda i: pixels[i],
    )


def _attack(shared: Shared, positions: Sequence[int]) -> None:
    list(attack_shared(shared, positions, AttackConfig()))


def _rows(crew: Weighing, what: str, images: int, work: Callable[[], Any]) -> list[Row]:
    crew.seconds.clear()
    crew.sizes.clear()
    before = time.perf_counter()
    work()
    clock = time.perf_counter() - before
    told = f"{what}, {crew.workers} worker{'s' if crew.workers > 1 else ''}"
    return [
        row(f"{told}: clock", 1000 * clock / images, "ms an image"),
        row(f"{told}: processor", 1000 * sum(crew.seconds) / images, "ms an image"),
        row(f"{told}: merged", sum(crew.sizes) / images, "bytes an image"),
    ]
