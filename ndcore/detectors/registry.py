"""Every detector that can judge an image by itself, read by pages, triage and command line.

To add one, write it in a file of its own and its entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from ndcore.activations.observed import Observed
from ndcore.detectors.by_repair import BEST, REPAIR_SCORES, RepairDetector
from ndcore.detectors.detector import Detector
from ndcore.detectors.layerwise import LAYERWISE, DivergenceDetector
from ndcore.detectors.scoring.baselines import baseline_detectors
from ndcore.detectors.scoring.detector import FeatureDetector
from ndcore.detectors.scoring.ood_library import library_detectors
from ndcore.detectors.scoring.scores import (
    LikelihoodRatio,
    divergence_detectors,
    our_detectors,
)
from ndcore.errors import BadRequestError

# One image gives one value per unit; against it these say nothing of their own.
DEGENERATE = {
    "kl": "KL from one value to a density is infinite; binned it is the surprisal: use surprisal",
    "reverse-kl": "KL from a distribution to one value is always infinite and cannot be used",
    "js": "Jensen-Shannon against one value is a function of its bin's probability alone: "
    "use surprisal, or the spatial form",
    "hellinger": "the Hellinger distance to one value is a function of its bin's probability "
    "alone: use surprisal",
    "total-variation": "the total variation distance to one value is one minus its bin's "
    "probability: use surprisal",
    "wasserstein-2": "Wasserstein-2 to one value is the distance from the mean plus a constant, a "
    "diagonal Mahalanobis distance: use wasserstein or the Mahalanobis baseline",
    "energy-distance": "the energy distance to one value is twice Wasserstein-1 plus a constant: "
    "use wasserstein",
}
ALIASES = {"repair": BEST}  # names of earlier versions


@dataclass(frozen=True)
class Entry:
    """One detector.

    Attributes:
        name, title, about: as in `Detector`.
        make: the detector of a network, not yet calibrated.
        calibrated_by: the command that calibrates it, `build` or `study`; "" where it needs none.
    """

    name: str
    title: str
    about: str
    make: Callable[[Observed], Detector[Any]]
    calibrated_by: str = "study"


def _entries() -> list[Entry]:
    repairs = [
        Entry(name, *words, partial(RepairDetector, name=name))
        for name, words in REPAIR_SCORES.items()
    ]
    layerwise = [
        Entry(name, *words, partial(DivergenceDetector, name=name), "build")
        for name, words in LAYERWISE.items()
    ]
    ratio = Entry(LikelihoodRatio.name, LikelihoodRatio.title, LikelihoodRatio.about, _ratio)
    baselines = [
        Entry(each.name, each.title, each.about, partial(_baseline, each.name))
        for each in baseline_detectors()
        if not each.learns
    ]
    return [repairs[0], *layerwise, ratio, *repairs[1:], *baselines]


def _ratio(observed: Observed) -> FeatureDetector:
    units = [observed.usual(layer).units for layer in observed.layers]
    return LikelihoodRatio(observed.layers, units).on(observed)


def _baseline(name: str, observed: Observed) -> FeatureDetector:
    return {each.name: each for each in baseline_detectors()}[name].on(observed)


# The best first: a bundle's usual one is the first that it holds a calibration for.
DETECTORS = {entry.name: entry for entry in _entries()}


def find_entry(name: str) -> Entry:
    """The detector of a name.

    Raises:
        BadRequestError: unknown, or degenerate for one image; the sentence says why.
    """
    if name in DEGENERATE:
        raise BadRequestError(f"there is no detector '{name}': {DEGENERATE[name]}")
    name = ALIASES.get(name, name)
    if name not in DETECTORS:
        raise BadRequestError(f"unknown detector '{name}': choose {', '.join(DETECTORS)}")
    return DETECTORS[name]


def compared_detectors(
    layers: Sequence[str], conv: Sequence[str], units: Sequence[int]
) -> list[FeatureDetector]:
    """All that a study compares, unfitted.

    Args:
        layers: all; units: of each; conv: those with positions.
    """
    return [
        *our_detectors(conv),
        *baseline_detectors(),
        *library_detectors(),
        *divergence_detectors(layers, conv, units),
    ]


@lru_cache(maxsize=1)
def compared_titles() -> dict[str, str]:
    """The title of every detector that a study compares, by name."""
    return {each.name: each.title for each in compared_detectors(["one"], ["one"], [1])}


def title_of(name: str) -> str:
    """What a detector goes by; its name where it is of an earlier version."""
    if name in DETECTORS:
        return DETECTORS[name].title
    return compared_titles().get(name, name)
