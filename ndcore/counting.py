"""Class histograms of all layers, streamed over a data set of any size.

Two looks at the data: a seeded sample fixes every unit's range, then one pass over all images
counts. Activations of a few thousand images are held at a time, never those of the data set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from torch import nn

from ndcore.activations import unit_layout
from ndcore.data import ImageSource
from ndcore.histograms import ClassHistograms
from ndcore.inspection import read_source

__all__ = ["Histograms", "count_distributions", "empty_histograms", "layer_table"]

Histograms = dict[tuple[str, str], ClassHistograms]

RANGE_SAMPLE = 1024
CHUNK = 2048


def empty_histograms(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    seed: int = 0,
    should_stop: Callable[[], bool] | None = None,
) -> Histograms:
    """Ranges for every layer and reduction from a seeded sample of `members`, nothing counted.

    Returns:
        (layer, reduction) -> empty histograms.
    """
    rng = np.random.default_rng(seed)
    count = min(RANGE_SAMPLE, len(members))
    sample = [members[i] for i in sorted(rng.choice(len(members), count, replace=False))]
    reading = read_source(model, layers, source, sample, should_stop=should_stop)
    classes = len(source.classes)
    return {
        key: ClassHistograms.empty(classes, values) for key, values in reading.activations.items()
    }


def count_distributions(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    seed: int = 0,
    *,
    on_batch: Callable[[int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> Histograms:
    """Histograms of every unit over the images at `members`, by their true class.

    Args:
        model: in eval mode.
        layers: names.
        source: images.
        members: positions in it.
        seed: of the sample that fixes the ranges.
        on_batch: called with the number of images just read.
        should_stop: asked before every batch.

    Raises:
        StoppedError: `should_stop` said so.
    """
    found = empty_histograms(model, layers, source, members, seed, should_stop)
    for start in range(0, len(members), CHUNK):
        chunk = members[start : start + CHUNK]
        reading = read_source(
            model, layers, source, chunk, on_batch=on_batch, should_stop=should_stop
        )
        labels = source.labels[list(chunk)]
        for key, values in reading.activations.items():
            found[key].update(values, labels)
    return found


def layer_table(
    model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]
) -> list[dict[str, object]]:
    """One row per layer for a manifest: name, units, reductions."""
    layout = unit_layout(model, layers, shape)
    return [
        {"name": name, "units": layout[name][0], "reductions": list(layout[name][1])}
        for name in layers
    ]
