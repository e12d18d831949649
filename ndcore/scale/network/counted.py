"""Class histograms in shards: the ranges of a sample first, then the counts.

The images of a shard are of few classes, and only these are counted in it, so that little travels
back. Counts are integers over the same ranges: their sum is the same in any order.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.capture import unit_layout
from ndcore.activations.distributions import (
    Histograms,
    bins_within,
    chunks,
    count_chunks,
    drawn_for_ranges,
    extremes_of,
)
from ndcore.activations.histograms import ClassHistograms, count_type, held_by
from ndcore.activations.reading import image_bytes
from ndcore.data.sources import ImageSource
from ndcore.scale.network.shared import Named, Shared
from ndcore.steps import in_parts

COUNTED = 1024  # images of a shard, whoever does it

Key = tuple[str, str]  # layer and reduction
Ends = dict[Key, NDArray[np.float32]]  # (2, units)


@dataclass(frozen=True)
class Packed:
    """Counts of some classes, as they travel.

    Attributes:
        held: positions of the classes.
        dtype: of the counts.
        data: the counts (held classes, units, 1 + bins), by zlib.
    """

    held: tuple[int, ...]
    dtype: str
    data: bytes

    @classmethod
    def of(cls, found: ClassHistograms) -> Packed:
        """Those of a shard."""
        counts = np.ascontiguousarray(found.counts)
        return cls(found.held, counts.dtype.str, zlib.compress(counts.tobytes(), 1))

    def add_to(self, total: ClassHistograms) -> None:
        """Count these too."""
        counts = np.frombuffer(zlib.decompress(self.data), self.dtype)
        rows = [total.held.index(label) for label in self.held]
        total.counts[rows] += counts.reshape(len(rows), *total.counts.shape[1:])


@dataclass(frozen=True)
class _Extremes:
    """The smallest and largest values that each unit takes on the images of a shard."""

    named: Named
    layers: tuple[str, ...]

    def __call__(self, positions: Sequence[int]) -> Ends:
        model, source = self.named.opened()
        cost = image_bytes(model, self.layers, source.shape)
        read = chunks(model, self.layers, source, positions, cost, None)
        found = extremes_of(reading for _, reading in read)
        return {key: np.stack([np.min(rows, 0), np.max(rows, 0)]) for key, rows in found.items()}


@dataclass(frozen=True)
class _Counts:
    """What the images of a shard add to the counts; `ends` are the ranges, 8 bytes a unit."""

    named: Named
    layers: tuple[str, ...]
    ends: Ends
    bins: int

    def __call__(self, positions: Sequence[int]) -> dict[Key, Packed]:
        model, source = self.named.opened()
        labels = source.labels[list(positions)]
        held = held_by(labels)
        found = {}
        for key, (low, high) in self.ends.items():
            counts = np.zeros((len(held), len(low), 1 + self.bins), count_type(labels))
            found[key] = ClassHistograms(counts, low, high, held, len(source.classes))
        cost = image_bytes(model, self.layers, source.shape)
        count_chunks(found, source, chunks(model, self.layers, source, positions, cost, None))
        return {key: Packed.of(each) for key, each in found.items()}


def count_shared(
    shared: Shared,
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    seed: int = 0,
    *,
    on_batch: Callable[[int], None] | None = None,
) -> Histograms:
    """What `count_distributions` counts, in shards.

    Args:
        shared: the network and the images again, as the workers open them.
        model, layers, source, members, seed, on_batch: as there.

    Raises:
        BadRequestError: as there, or the workers cannot work.
    """
    columns = sum(n * len(kinds) for n, kinds in unit_layout(model, layers, source.shape).values())
    labels = source.labels[list(members)]
    bins = bins_within(columns, labels)
    crew, named, chosen = shared.crew, shared.named, tuple(layers)
    sample = [members[place] for place in drawn_for_ranges(len(members), seed)]
    ends = [each for _, each in crew.parts(_Extremes(named, chosen), _in_shards(sample))]
    found = {
        key: ClassHistograms.empty(
            len(source.classes), np.concatenate([each[key] for each in ends]), labels, bins
        )
        for key in ends[0]
    }
    ranges = {key: np.stack([each.lo, each.hi]) for key, each in found.items()}
    by_class = np.asarray(members)[np.argsort(labels, kind="stable")].tolist()
    shards = _in_shards(by_class)
    for at, part in crew.parts(_Counts(named, chosen, ranges, bins), shards):
        for key, packed in part.items():
            packed.add_to(found[key])
        if on_batch:
            on_batch(len(shards[at]))
    return found


def _in_shards(positions: Sequence[int]) -> list[Sequence[int]]:
    return [positions[part] for part in in_parts(len(positions), COUNTED)]
