"""What a bundle will cost, said before it is built."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from torch import nn

from ndcore.activations.capture import capture, reductions_of
from ndcore.activations.distributions import (
    CHUNK_BYTES,
    SAMPLE_BYTES,
    bins_within,
    count_bytes,
)
from ndcore.activations.histograms import held_by
from ndcore.activations.reading import BATCH_BYTES, image_bytes, read_pixels
from ndcore.attacks import AttackConfig
from ndcore.bundles.calibrate import MOST_QUERIES, repair_queries
from ndcore.concept_graph.kept import kept_bytes
from ndcore.data.sources import ImageSource
from ndcore.networks.forward import forward
from ndcore.networks.weights import rounded

GALLERY_IMAGES = 60
MB = 1e6
TRIED = 8  # images of the trial pass
GRAPH_PASS = 1.5  # plain passes that the concept graphs take
# Bytes that a count other than 0 and a thousand zeros take once compressed, as measured.
PER_COUNT, PER_ZEROS = 1.3, 1.5


@dataclass(frozen=True)
class Estimate:
    """What `build` costs on this machine.

    Attributes:
        seconds: without the gallery.
        gallery_seconds: of the gallery of attacks, at most.
        memory_mb: at its peak, without the gallery.
        bundle_mb: on disk.
    """

    seconds: float
    gallery_seconds: float
    memory_mb: float
    bundle_mb: float

    @property
    def sentence(self) -> str:
        """In words."""
        return (
            f"a bundle takes about {_duration(self.seconds)}, {self.memory_mb:,.0f} MB of memory "
            f"and {self.bundle_mb:.1f} MB on disk"
        ) + (
            f"; a gallery of attacks up to {_duration(self.gallery_seconds)} more, and memory of "
            "its own"
            if self.gallery_seconds
            else ""
        )


def estimate_build(
    model: nn.Module,
    layers: Sequence[str],
    shape: tuple[int, int, int],
    source: ImageSource | None,
    *,
    gallery_images: int = GALLERY_IMAGES,
    repaired: int = 0,
) -> Estimate:
    """What a bundle will cost, from a trial pass of a few images.

    Args:
        model: in eval mode.
        layers: to observe.
        shape: of the images, (H, W, C).
        source: its images; None where they are not known.
        gallery_images: that are attacked at most.
        repaired: images of which detectors ask for every repair.

    Raises:
        BadRequestError: a layer cannot be observed, or all counts together take too much memory.
    """
    pixels = np.random.default_rng(0).integers(0, 256, (TRIED, *shape)).astype(np.uint8)
    if source is not None:  # some models know no others
        pixels = source.pixels(range(min(TRIED, len(source))))
    each = _seconds(lambda: read_pixels(model, layers, pixels)) / TRIED
    plain = _seconds(lambda: forward(model, pixels)) / TRIED
    with capture(model, layers, lambda out: (out.shape[1], len(reductions_of(out)))) as found:
        outputs = forward(model, pixels[:1]).shape[1]
    images = 0 if source is None else len(source)
    labels = np.arange(outputs) if source is None else source.labels
    values = sum(units * reductions for units, reductions in found.values())
    graph = kept_bytes(len(held_by(labels)), sum(units for units, _ in found.values()))
    bins = bins_within(values, labels)
    cells = len(held_by(labels)) * values * (1 + bins)
    counts = min(cells, images * values)
    weights = list(model.state_dict().values())
    half = sum(rounded(tensor).nbytes for tensor in weights)
    whole = sum(tensor.nbytes for tensor in weights)
    queries = AttackConfig().budget(shape) * gallery_images
    repairs = repair_queries(repaired, shape)
    repairs = repairs if repairs <= MOST_QUERIES else 0
    cost = image_bytes(model, layers, shape)
    memory = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        + 2 * whole
        + count_bytes(values, labels, bins)
        + min(SAMPLE_BYTES, 4 * values * images)
        + 3 * CHUNK_BYTES
        + max(BATCH_BYTES, cost.raw)
    )
    return Estimate(
        seconds=round(images * (1.2 * each + GRAPH_PASS * plain) + repairs * plain, 1),
        gallery_seconds=round(queries * plain, 1),
        memory_mb=round(memory / MB),
        bundle_mb=round((half + PER_COUNT * counts + PER_ZEROS * cells / 1000 + graph) / MB, 1),
    )


def _seconds(work: Callable[[], object]) -> float:
    """The better of two tries."""
    found = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        found.append(time.perf_counter() - started)
    return min(found)


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 120 else f"{seconds / 60:,.0f} minutes"
