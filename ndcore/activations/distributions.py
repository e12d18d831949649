"""Class histograms of all layers, streamed over a data set of any size.

Two looks at the data: a seeded sample fixes every unit's range, then one pass over all images
counts. What is held at a time is bounded in bytes, whatever the model and the data set: the raw
activations of one batch (`ndcore.activations.reading.BATCH_BYTES`) and the unit values of one chunk
(`CHUNK_BYTES`). The histograms themselves take 2 kB per unit, reduction and class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.capture import runs_of, unit_layout
from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.reading import Reading, image_bytes, images_within, read_source
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError
from ndcore.steps import in_parts

Histograms = dict[tuple[str, str], ClassHistograms]

RANGE_SAMPLE = 1024
# Unit values read before they are counted: counting has a price per chunk as well as per image.
# Twice this while the batches of a chunk are joined.
CHUNK_BYTES = 64 * 2**20
LARGEST_CHUNK = 2048


def empty_histograms(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    seed: int = 0,
) -> Histograms:
    """Ranges for every layer and reduction from a seeded sample of `members`, nothing counted.

    Returns:
        (layer, reduction) -> empty histograms.
    """
    rng = np.random.default_rng(seed)
    count = min(RANGE_SAMPLE, len(members))
    sample = [members[i] for i in sorted(rng.choice(len(members), count, replace=False))]
    extremes: dict[tuple[str, str], list[NDArray[np.float32]]] = {}
    for _, reading in _chunks(model, layers, source, sample):
        for key, values in reading.activations.items():
            extremes.setdefault(key, []).extend((values.min(0), values.max(0)))
    classes = len(source.classes)
    return {key: ClassHistograms.empty(classes, np.stack(rows)) for key, rows in extremes.items()}


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
        BadRequestError: a layer cannot be observed.
    """
    unit_layout(model, layers, source.shape)
    found = empty_histograms(model, layers, source, members, seed)
    for chunk, reading in _chunks(model, layers, source, members, on_batch=on_batch):
        labels = source.labels[list(chunk)]
        for key, values in reading.activations.items():
            if not np.isfinite(values).all():
                raise BadRequestError(
                    f"layer '{key[0]}' gives values that are no numbers: leave it out with --layers"
                )
            found[key].update(values, labels)
    return found


def _chunks(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    *,
    on_batch: Callable[[int], None] | None = None,
) -> Iterator[tuple[Sequence[int], Reading]]:
    """Members and their unit values, as many at a time as `CHUNK_BYTES` allows."""
    cost = image_bytes(model, layers, source.shape)
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
