"""Pictures of units and clusters: what drives them most, averaged, and how pure that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st

from ndcore.data.decode import encode_png
from ndcore.errors import DataError
from ndcore.evolution import (
    Patches,
    UnitAverage,
    UnitClusters,
    average_of,
    kept_averages,
    kept_epochs,
    weighted_average,
)
from pages.ui.evolution.run_images import reader_of
from pages.ui.evolution.runs import OpenRun
from pages.ui.frame.known_signature import known_signature

AVERAGED = 20  # patches behind a unit's average: k0 of the paper
SHOWN = 5


@dataclass(frozen=True)
class UnitPicture:
    """What drives a unit most.

    Attributes:
        average: uint8 (H, W, C), or None where no activation is above 0.
        patches: PNG of the first `SHOWN`; none where the images are not on this machine, or where
            all patches drive it alike.
        activations: of the patches behind the average.
        classes: names of the classes of those, the most frequent first, with their numbers.
        clearness: contrast of the average relative to the patches'.
        tied: see `Patches`.
    """

    average: np.ndarray | None
    patches: tuple[bytes, ...]
    activations: np.ndarray
    classes: tuple[tuple[str, int], ...]
    clearness: float
    tied: bool

    @property
    def png(self) -> bytes | None:
        """The average as a picture."""
        return None if self.average is None else encode_png(self.average)


def unit_pictures(
    each: OpenRun, layer: str, epoch: int, units: Sequence[int]
) -> dict[int, UnitPicture]:
    """Pictures of some units; a unit is looked up once per server.

    Where the images are not on this machine, the averages that were kept with the run are shown,
    without patches.

    Raises:
        DataError: neither the images nor averages are there.
        RunError, BadRequestError: as `EvolutionRun.patches`.
    """
    try:
        reader_of(each.run)  # before the cache is asked, which keeps no errors
    except DataError as error:
        kept = kept_epochs(each.run)
        if epoch not in kept:
            told = f"; averages were kept at epoch {', '.join(map(str, kept))}" if kept else ""
            raise DataError(f"{error}{told}") from None
        return {unit: _kept(each.stamp, layer, epoch, unit, each) for unit in units}
    return {unit: _picture(each.stamp, layer, epoch, unit, each) for unit in units}


@st.cache_resource(max_entries=2048, show_spinner=False)
@known_signature
def _picture(stamp: str, layer: str, epoch: int, unit: int, _each: OpenRun) -> UnitPicture:
    run = _each.run
    found = run.patches(layer, unit, epoch, AVERAGED)
    average, patches = average_of(reader_of(run)(found.keys), found, run.about["shape"])
    return _described(_each, found, average, patches[:SHOWN])


@st.cache_resource(max_entries=2048, show_spinner=False)
@known_signature
def _kept(stamp: str, layer: str, epoch: int, unit: int, _each: OpenRun) -> UnitPicture:
    found = _each.run.patches(layer, unit, epoch, AVERAGED)
    return _described(_each, found, _averages(stamp, layer, epoch, _each)[unit], ())


@st.cache_resource(max_entries=32, show_spinner=False)
@known_signature
def _averages(stamp: str, layer: str, epoch: int, _each: OpenRun) -> list[UnitAverage]:
    return kept_averages(_each.run, layer, epoch)


def _described(
    each: OpenRun, found: Patches, average: UnitAverage, patches: Iterable[np.ndarray]
) -> UnitPicture:
    numbers = Counter(sorted(found.labels.tolist())).most_common()
    return UnitPicture(
        average=average.image,
        patches=() if found.tied else tuple(encode_png(patch) for patch in patches),
        activations=found.activations,
        classes=tuple((each.class_name(label), count) for label, count in numbers),
        clearness=average.clearness,
        tied=found.tied,
    )


def unit_words(picture: UnitPicture) -> str:
    """Class, purity and activation in one line."""
    name, count = picture.classes[0]
    low, high = float(picture.activations.min()), float(picture.activations.max())
    if picture.tied:
        return f"no patch drives it more than another: activation {high:.3g}"
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
            (average, weight)
            for unit, weight in zip(near, weights, strict=True)
            if (average := pictures[int(unit)].average) is not None
        ]
        averages.append(_mean([a for a, _ in known], [w for _, w in known]))
    return averages


def _mean(images: list[np.ndarray], weights: list[float]) -> np.ndarray | None:
    if not images:
        return None
    # Units at the border of the map may have been trimmed: the common middle is averaged.
    height, width = (min(image.shape[side] for image in images) for side in (0, 1))
    middles = []
    for image in images:
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        middles.append(image[top : top + height, left : left + width])
    return weighted_average(middles, np.array(weights))
