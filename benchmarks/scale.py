"""What an image costs, and how much travels back of it, with one worker and with two.

Distributions are counted over seeded noise images (content does not change that work), and the
sample images are attacked: in this process, in two processes of this machine and, where Dask is
installed, by two workers of a cluster on loopback. Processor time is that of the shards; what each
worker needs to open the network first is told apart. Two last rows plan a pass over ImageNet.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.report import Row, machine, row
from ndcore.attacks import AttackConfig
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.data.catalog import open_source
from ndcore.data.sources import ImageSource
from ndcore.scale.crew import Crew, Part, Work
from ndcore.scale.network.attacked import ATTACKED, attack_shared
from ndcore.scale.network.counted import COUNTED, count_shared
from ndcore.scale.network.shared import Named, Opened, Shared
from ndcore.steps import Step, no_step

WORKERS = 2
DEFAULT_N = WORKERS * COUNTED
IMAGENET = 1_281_167  # images to train with
PLANNED = 100  # workers
COUNTING = "distributions"


@dataclass(frozen=True)
class Timed:
    """Work that also tells the seconds of processor time for opening and for doing it, and the
    bytes that travel back."""

    work: Callable[[Sequence[int]], Any]
    named: Named

    def __call__(self, shard: Sequence[int]) -> tuple[float, float, int, Any]:
        """See `Crew.parts`."""
        begun = time.process_time()
        self.named.opened()
        opened = time.process_time()
        part = self.work(shard)
        seconds = time.process_time() - opened
        return opened - begun, seconds, len(pickle.dumps(part)), part


@dataclass
class Pass:
    """What one pass over images took.

    Attributes:
        images: in it.
        clock: seconds.
        opening: seconds of processor time of each shard for opening the network where it is not;
            with those of the passes before.
        seconds: of processor time, of each shard.
        sizes: bytes that came back of each.
    """

    images: int
    clock: float = 0.0
    opening: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)

    @property
    def seconds_an_image(self) -> float:
        """Of processor time."""
        return sum(self.seconds) / self.images

    @property
    def bytes_an_image(self) -> float:
        """That came back."""
        return sum(self.sizes) / self.images


@dataclass(frozen=True)
class Weighing(Crew):
    """A crew that knows of every pass how long each shard took and how much came back of it.

    Attributes:
        named: what its workers open.
        passes: what was done, in order.
    """

    named: Named | None = None
    passes: list[Pass] = field(default_factory=list)

    def parts(
        self, work: Work[Part], shards: Sequence[Sequence[int]]
    ) -> Iterator[tuple[int, Part]]:
        """See `Crew.parts`."""
        assert self.named
        found, begun = Pass(sum(map(len, shards))), time.perf_counter()
        self.passes.append(found)
        timed = Timed(work, self.named)
        for at, (opening, seconds, size, part) in super().parts(timed, shards):
            found.opening.append(opening)
            found.seconds.append(seconds)
            found.sizes.append(size)
            found.clock = time.perf_counter() - begun
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


def run(bundle: Bundle, n: int | None = None, *, on_step: Step = no_step) -> dict[str, Any]:
    """Count distributions over `n` images and attack the samples, with one worker and with two.

    Args:
        bundle: whose network is asked.
        n: images that are counted (default 2,048, a shard for each of two workers).
        on_step: called with (what is being done, done, total).
    """
    images = n or DEFAULT_N
    rows: list[Row] = []
    alone: dict[str, Pass] = {}
    counted = Pass(images)
    with _crews() as crews:
        for told, (workers, crew) in crews.items():
            for what, work in _works(bundle, images).items():
                on_step(f"{what}, {told}", 0, 0)
                passes = work(crew)
                found = passes[-1]
                found.opening[:] = [s for each in passes for s in each.opening]
                rows += _rows(f"{what}, {told}", workers, found, alone.setdefault(what, found))
                counted = found if what == COUNTING else counted
    rows += plan_rows(counted)
    return {"name": "scale", "machine": machine(), "bundle": bundle.name, "rows": rows}


def plan_rows(counted: Pass) -> list[Row]:
    """A pass over ImageNet, were its images and its network as those of a pass that was taken."""
    told = f"plan: {IMAGENET:,} such images, {PLANNED} workers"
    seconds = IMAGENET * counted.seconds_an_image / PLANNED
    merged = IMAGENET * counted.bytes_an_image / PLANNED
    return [
        row(f"{told}: clock", seconds / 60, "minutes"),
        row(f"{told}: merged by each", merged / 2**20, "MB"),
    ]


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


@contextmanager
def _crews() -> Iterator[dict[str, tuple[int, Crew]]]:
    """Words for each crew, its workers and itself; that of Dask as long as the block lasts."""
    crews = {"1 worker": (1, Crew()), f"{WORKERS} workers": (WORKERS, Crew(WORKERS))}
    if find_spec("distributed") is None:
        yield crews
        return
    dask = import_module("distributed")
    with dask.LocalCluster(
        n_workers=WORKERS,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address=None,
        silence_logs=50,
    ) as cluster:
        crew = Crew(scheduler=cluster.scheduler_address)
        yield crews | {f"{WORKERS} Dask workers": (WORKERS, crew)}


def _works(bundle: Bundle, images: int) -> dict[str, Callable[[Crew], list[Pass]]]:
    """What is done, by name: with a crew, to the passes that it took."""
    works: dict[str, Callable[[Crew], list[Pass]]] = {
        COUNTING: partial(_count, bundle, noise(bundle, images))
    }
    samples = open_source("samples")
    if samples.shape == bundle.shape:
        works["fast"] = partial(_attack, bundle, samples)
    return works


def _count(bundle: Bundle, made: ImageSource, crew: Crew) -> list[Pass]:
    """A pass over some images for the ranges, and one over all."""
    shared, passes = _weighed(crew, bundle, len(made), made)
    count_shared(shared, bundle.model, bundle.layers, made, range(len(made)))
    return passes


def _attack(bundle: Bundle, samples: ImageSource, crew: Crew) -> list[Pass]:
    """A pass over as many images as are two whole shards."""
    shared, passes = _weighed(crew, bundle, 0, samples)
    positions = [at % len(samples) for at in range(WORKERS * ATTACKED)]
    for _ in attack_shared(shared, positions, AttackConfig()):
        pass
    return passes


def _weighed(crew: Crew, bundle: Bundle, n: int, source: ImageSource) -> tuple[Shared, list[Pass]]:
    """A network and images as a crew shares them, and the passes that it will have taken."""
    named = Shared.of(crew, Noise(bundle.name, n), bundle.model, source).named
    weighing = Weighing(crew.workers, crew.scheduler, named)
    return Shared(weighing, named), weighing.passes


def _rows(told: str, workers: int, found: Pass, alone: Pass) -> list[Row]:
    """A pass, against the same work of one worker."""
    values: list[tuple[str, Callable[[Pass], float], str]] = [
        ("processor", lambda of: 1000 * of.seconds_an_image, "ms an image"),
        ("clock", lambda of: 1000 * of.clock / of.images, "ms an image"),
        ("merged", lambda of: of.bytes_an_image, "bytes an image"),
    ]
    rows = []
    for what, value, unit in values:
        against = ("", None) if found is alone else ("1 worker", value(found) / value(alone))
        rows.append(row(f"{told}: {what}", value(found), unit, *against))
    rows += [
        row(f"{told}: merged by each", sum(found.sizes) / workers / 2**20, "MB"),
        row(f"{told}: opening by each", sum(found.opening) / workers, "s of processor"),
    ]
    return rows
