"""Pictures of units and clusters: what drives them most, averaged, and how pure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from ndcore.evolution import (
    UnitClusters,
    class_share,
    clearness,
    cut_patches,
    weighted_average,
)
from ndcore.images import encode_png
from pages.ui.evolution_images import reader_of, thumb, trimmed
from pages.ui.evolution_runs import OpenRun

__all__ = ["AVERAGED", "SHOWN", "UnitPicture", "cluster_pictures", "unit_pictures", "unit_words"]

AVERAGED = 20  # patches behind a unit's average: k0 of the paper
SHOWN = 5


@dataclass(frozen=True)
class UnitPicture:
    """What drives a unit most.

    Attributes:
        average: float32 (H, W, C) in [0, 255], or None where no activation is above 0.
        patches: PNG of the first `SHOWN`.
        activations: of the patches behind the average.
        classes: names of the classes of those, the most frequent first, with their numbers.
        clearness: contrast of the average relative to the patches'.
        share: of the most frequent class.
    """

    average: np.ndarray | None
    patches: tuple[bytes, ...]
    activations: np.ndarray
    classes: tuple[tuple[str, int], ...]
    clearness: float
    share: float

    @property
    def png(self) -> bytes | None:
        """The average as a picture."""
        return None if self.average is None else encode_png(thumb(self.average))


def unit_pictures(
    each: OpenRun, layer: str, epoch: int, units: Sequence[int]
) -> dict[int, UnitPicture]:
    """Pictures of some units; a unit is looked up once per server.

    Raises:
        DataError: the images are not on this machine.
        RunError, BadRequestError: as `EvolutionRun.patches`.
    """
    reader_of(each.run)  # said before the cache is asked, which keeps no errors
    return {unit: _picture(each.stamp, layer, epoch, unit, each) for unit in units}


@st.cache_resource(max_entries=2048, show_spinner=False)
def _picture(stamp: str, layer: str, epoch: int, unit: int, _each: OpenRun) -> UnitPicture:
    run = _each.run
    found = run.patches(layer, unit, epoch, AVERAGED)
    cut = cut_patches(reader_of(run)(found.keys), found.boxes)
    average = weighted_average(cut, found.activations)
    part = trimmed(found.boxes, run.about["shape"])
    labels = np.asarray(found.labels)
    numbers = [(str(name), int((labels == name).sum())) for name in np.unique(labels)]
    names = _names(_each)
    return UnitPicture(
        average=None if average is None else average[part],
        patches=tuple(encode_png(patch[part]) for patch in cut[:SHOWN]),
        activations=found.activations,
        classes=tuple(
            (names.get(int(label), label), count)
            for label, count in sorted(numbers, key=lambda row: -row[1])
        ),
        clearness=clearness(cut, average),
        share=class_share(found.labels),
    )


def _names(each: OpenRun) -> dict[int, str]:
    """Class names by label; a recording lists those that it saw, in the order of labels."""
    return dict(enumerate(each.run.classes))


def unit_words(picture: UnitPicture) -> str:
    """Class, purity and activation in one line."""
    name, count = picture.classes[0]
    low, high = float(picture.activations.min()), float(picture.activations.max())
    return (
        f"{count} of {len(picture.activations)} patches are {name}; clearness "
        f"{picture.clearness:.2f}; activation {low:.3g} to {high:.3g}"
    )


def cluster_pictures(
    each: OpenRun, layer: str, epoch: int, found: UnitClusters
) -> list[np.ndarray | None]:
    """Average of each cluster: of its nearest units' averages, by inverse distance.

    Errors as `unit_pictures`.
    """
    units = [int(unit) for near in found.nearest for unit in near]
    pictures = unit_pictures(each, layer, epoch, units)
    averages = []
    for near, weights in zip(found.nearest, found.weights, strict=True):
        known = [
            (pictures[int(unit)].average, weight)
            for unit, weight in zip(near, weights, strict=True)
            if pictures[int(unit)].average is not None
        ]
        averages.append(_mean([a for a, _ in known], [w for _, w in known]))
    return averages


def _mean(images: list, weights: list) -> np.ndarray | None:
    if not images:
        return None
    # Units at the border of the map may have been trimmed: the common middle is averaged.
    height, width = (min(image.shape[side] for image in images) for side in (0, 1))
    middles = []
    for image in images:
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        middles.append(image[top : top + height, left : left + width])
    return weighted_average(middles, np.array(weights))
