"""Class histograms of all layers, streamed over a data set of any size.

A seeded sample fixes every unit's range, then all images are counted; those of the sample are not
read again where their values fit into memory. What is held at a time is bounded in bytes, whatever
the model and the data set: the raw activations of one batch
(`ndcore.activations.reading.BATCH_BYTES`), the unit values of one chunk (`CHUNK_BYTES`) and of the
sample (`SAMPLE_BYTES`), and the counts, whose bins are as many as fit into `COUNT_BYTES`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.capture import runs_of, unit_layout
from ndcore.activations.histograms import BINS, ClassHistograms, count_type, held_by
from ndcore.activations.reading import ImageBytes, Reading, image_bytes, images_within, read_source
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError
from ndcore.steps import in_parts

Histograms = dict[tuple[str, str], ClassHistograms]

RANGE_SAMPLE = 1024
# Unit values read before they are counted: counting has a price per chunk as well as per image.
# Twice this while the batches of a chunk are joined.
CHUNK_BYTES = 64 * 2**20
LARGEST_CHUNK = 2048
SAMPLE_BYTES = 3 * CHUNK_BYTES
COUNT_BYTES = 2 * 2**30
FEWEST_BINS = 16  # fewer say next to nothing


def count_distributions(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    seed: int = 0,
    *,
    on_batch: Callable[[int], None] | None = None,
) -> Histograms:
    """Histograms of every unit over the images at `members`, by their true class.

    Args:
        model: in eval mode.
        layers: names.
        source: images.
        members: positions in it.
        seed: of the sample that fixes the ranges.
        on_batch: called with the number of images just read.

    Raises:
        BadRequestError: a layer cannot be observed, or all counts together take too much memory.
    """
    layout = unit_layout(model, layers, source.shape)
    columns = sum(units * len(reductions) for units, reductions in layout.values())
    labels = source.labels[list(members)]
    bins = bins_within(columns, labels)
    drawn = drawn_for_ranges(len(members), seed)
    kept = 4 * columns * len(drawn) <= SAMPLE_BYTES
    sample = [members[place] for place in drawn]
    cost = image_bytes(model, layers, source.shape)
    read = chunks(model, layers, source, sample, cost, on_batch if kept else None)
    first = list(read) if kept else []
    left = np.setdiff1d(np.arange(len(members)), drawn if kept else [])
    rest = [members[place] for place in left.tolist()]
    extremes = extremes_of(reading for _, reading in first or read)
    found = {
        key: ClassHistograms.empty(len(source.classes), np.stack(rows), labels, bins)
        for key, rows in extremes.items()
    }
    rests = chunks(model, layers, source, rest, cost, on_batch)
    count_chunks(found, source, chain(first, rests))
    return found


def count_chunks(
    found: Histograms, source: ImageSource, read: Iterable[tuple[Sequence[int], Reading]]
) -> None:
    """Add what was read of the images at some positions to the counts.

    Raises:
        BadRequestError: a layer gives no numbers.
    """
    for chunk, reading in read:
        for key, values in reading.activations.items():
            if not np.isfinite(values).all():
                raise BadRequestError(
                    f"layer '{key[0]}' gives values that are no numbers: leave it out with --layers"
                )
            found[key].update(values, source.labels[list(chunk)])


def bins_within(columns: int, labels: NDArray[np.integer]) -> int:
    """How many bins all counts can have, `BINS` where they fit into `COUNT_BYTES`.

    Args:
        columns: units, of each reduction, of all layers.
        labels: of the images to be counted.

    Raises:
        BadRequestError: not even `FEWEST_BINS` fit.
    """
    bins = BINS
    while count_bytes(columns, labels, bins) > COUNT_BYTES:
        bins //= 2
        if bins < FEWEST_BINS:
            needed = count_bytes(columns, labels, FEWEST_BINS) / 2**30
            raise BadRequestError(
                f"the distributions of {columns:,} values of {len(held_by(labels)):,} classes take "
                f"{needed:.1f} GiB, more than {COUNT_BYTES / 2**30:.0f}: choose fewer layers with "
                "--layers"
            )
    return bins


def count_bytes(columns: int, labels: NDArray[np.integer], bins: int) -> int:
    """Bytes that the counts take; arguments as of `bins_within`."""
    return columns * len(held_by(labels)) * (1 + bins) * count_type(labels).itemsize


def drawn_for_ranges(images: int, seed: int) -> list[int]:
    """Places of the sample that fixes the ranges, ascending."""
    rng = np.random.default_rng(seed)
    return sorted(rng.choice(images, min(RANGE_SAMPLE, images), replace=False).tolist())


def extremes_of(
    readings: Iterable[Reading],
) -> dict[tuple[str, str], list[NDArray[np.float32]]]:
    """The smallest and the largest values that each unit took."""
    found: dict[tuple[str, str], list[NDArray[np.float32]]] = {}
    for reading in readings:
        for key, values in reading.activations.items():
            found.setdefault(key, []).extend((values.min(0), values.max(0)))
    return found


def chunks(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    cost: ImageBytes,
    on_batch: Callable[[int], None] | None,
) -> Iterator[tuple[Sequence[int], Reading]]:
    """Members and their unit values, as many at a time as `CHUNK_BYTES` allows."""
    size = images_within(CHUNK_BYTES, cost.reduced, LARGEST_CHUNK)
    for part in in_parts(len(members), size):
        chunk = members[part]
        yield (
            chunk,
            read_source(model, layers, source, chunk, batch=cost.batch, on_batch=on_batch),
        )


def layer_table(
    model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]
) -> list[dict[str, object]]:
    """One row per layer for a manifest: name, units, reductions, and runs where it has several.

    Raises:
        BadRequestError: a layer cannot be observed.
    """
    layout = unit_layout(model, layers, shape)
    runs = runs_of(model, layers, shape)
    return [
        {"name": name, "units": layout[name][0], "reductions": list(layout[name][1])}
        | ({"runs": runs[name]} if runs[name] > 1 else {})
        for name in layers
    ]
