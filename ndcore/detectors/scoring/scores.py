"""Scores from divergences (DD-1) and their aggregates (DD-2), on measured features.

Against the predicted class: excess Wasserstein-1, surprisal and tail p of the units; Wasserstein-1,
KL and Jensen-Shannon of a conv layer's positions; the position map. Against other classes: the
log-likelihood ratio to the runner-up, and the divergence margin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ndcore.detectors.by_repair import BEST, REPAIR_SCORES, repair_bound, repair_score
from ndcore.detectors.scoring.baselines import baseline_detectors
from ndcore.detectors.scoring.detector import FeatureDetector, Layered, Measured, Union
from ndcore.detectors.scoring.features import AGGREGATES, Features
from ndcore.detectors.scoring.spatial import SPATIAL

# The paper's guess: an attack shows where late layers leave the predicted class's distributions.
HYPOTHESIS, LATE = "w1-top", "w1-top-late"
OUTLIER = "pixel-outlier"
EARLY = 2  # first conv layers, where one pixel is still a spot

MAPS_BY = {"w1": "distance", "kl": "KL", "js": "JS"}


def own_class(scores: NDArray[np.floating], features: Features) -> NDArray[np.floating]:
    """Scores (N, L, C) against every class -> (N, L) against the predicted one."""
    return np.take_along_axis(scores, features.predicted[:, None, None], 2)[..., 0]


def margin(scores: NDArray[np.floating], features: Features) -> NDArray[np.floating]:
    """Score against the predicted class less the smallest against another, (N, L).

    Positive where the layer finds that another class fits better.
    """
    own = own_class(scores, features)
    others = scores.copy()
    np.put_along_axis(others, features.predicted[:, None, None], np.inf, 2)
    return np.asarray(own - others.min(2))


def _own(name: str, how: int, features: Features) -> NDArray[np.floating]:
    return own_class(getattr(features, name)[:, :, how], features)


def _margin(how: int, features: Features) -> NDArray[np.floating]:
    return margin(features.w1[:, :, how], features)


def _column(name: str, index: tuple[int, ...], features: Features) -> NDArray[np.floating]:
    return np.asarray(getattr(features, name)[:, :, *index])


class LayerMeasure(NamedTuple):
    """One number for every layer of an image.

    Attributes:
        title, about: as in `Detector`.
        spatial: over conv layers only.
        of: features -> scores (N, layers).
    """

    title: str
    about: str
    spatial: bool
    of: Callable[[Features], NDArray[np.floating]]


def layer_measures() -> dict[str, LayerMeasure]:
    """By name; the name says how units are aggregated."""
    found: dict[str, LayerMeasure] = {}
    for index, how in enumerate(AGGREGATES):
        of = "all units" if how == "mean" else "the top 5% of units"
        which = "all neurons" if how == "mean" else "the oddest neurons"
        found[f"w1-{how}"] = LayerMeasure(
            f"{which}, by distance",
            f"excess Wasserstein-1 to the predicted class, mean of {of}",
            False,
            partial(_own, "w1", index),
        )
        found[f"surprisal-{how}"] = LayerMeasure(
            f"{which}, by rarity",
            f"binned surprisal in the predicted class, mean of {of}",
            False,
            partial(_own, "surprisal", index),
        )
        found[f"margin-{how}"] = LayerMeasure(
            f"{which} fit another class better",
            f"Wasserstein-1 to the predicted class less that to the nearest other, mean of {of}",
            False,
            partial(_margin, index),
        )
        for place, name in enumerate(SPATIAL):
            found[f"spatial-{name}-{how}"] = LayerMeasure(
                f"maps of {which}, by {MAPS_BY[name]}",
                f"{name.upper()} of a unit's positions against the predicted class, mean of {of}",
                True,
                partial(_column, "spatial", (place, index)),
            )
    for index, (name, title, about) in enumerate(
        (
            ("tail-fisher", "many rare neurons", "Fisher's statistic"),
            ("tail-hc", "a few very rare neurons", "higher criticism"),
        )
    ):
        found[name] = LayerMeasure(
            title,
            f"{about} of the units' two-sided tail p-values",
            False,
            partial(_column, "tail", (index,)),
        )
    found["newly-firing"] = LayerMeasure(
        "neurons that never fire for this class",
        "share of units that fire though they never do for the predicted class",
        False,
        partial(_column, "newly", ()),
    )
    for index, (name, title, about) in enumerate(
        (
            ("position-max", "the oddest spot", "the oddest position"),
            ("position-top", "the oddest tenth of the image", "the oddest 10% of positions"),
            (
                "position-spot",
                "the spot unlike its surroundings",
                "the position that stands out most from those around it",
            ),
        )
    ):
        found[name] = LayerMeasure(
            title,
            f"Mahalanobis distance of the channels at {about} from the predicted class",
            True,
            partial(_column, "position", (index,)),
        )
    return found


class LayerScores(Layered):
    """One measure over several layers.

    Args:
        measure: key of `layer_measures()`.
        layers: all layers the measure is defined on, in order.
        chosen: those to use; None for all.
        name, title: of the detector; None for the measure's.
    """

    def __init__(
        self,
        measure: str,
        layers: Sequence[str],
        chosen: Sequence[str] | None = None,
        name: str | None = None,
        title: str | None = None,
    ) -> None:
        known = layer_measures()[measure]
        self._of = known.of
        self.parts = list(layers if chosen is None else chosen)
        self._columns = [list(layers).index(layer) for layer in self.parts]
        self.name, self.title = name or measure, title or known.title
        self.about = f"{known.about}, {_over(self.parts, layers)}"
        self.kind = "divergence"

    def raw(self, measured: Measured) -> NDArray[np.floating]:
        """See `Layered.raw`."""
        return self._of(measured.features)[:, self._columns]


class OneLayer(FeatureDetector):
    """One measure of one layer, as it is."""

    def __init__(self, measure: str, layers: Sequence[str], layer: str) -> None:
        known = layer_measures()[measure]
        self._of, self._column = known.of, list(layers).index(layer)
        self.name, self.kind = f"{measure} {layer}", "divergence"
        self.title, self.about = f"{known.title}, {layer}", f"{known.about}, {layer}"

    def score(self, seen: Measured) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return np.asarray(self._of(seen.features)[:, self._column], np.float64)


class LikelihoodRatio(FeatureDetector):
    """Log-likelihood ratio, runner-up over predicted class, summed over units and layers.

    max over c of sum_j [ln q_c(a_j) - ln q_predicted(a_j)], units taken as independent: a score,
    not a probability. It is additive over units and so over layers.

    Args:
        layers: names; units: how many units each has.
    """

    name, kind, learns = "llr", "divergence", False
    title = "the runner-up class explains it better"
    about = "log-likelihood ratio of the best other class to the predicted one, all units"

    def __init__(self, layers: Sequence[str], units: Sequence[int]) -> None:
        self.parts = list(layers)
        self._units = np.array(units, np.float64)

    def per_layer(self, features: Features) -> NDArray[np.float64]:
        """Each layer's part for the runner-up of the whole sum, (N, layers)."""
        total = features.surprisal[:, :, 0].astype(np.float64) * self._units[None, :, None]
        gain = own_class(total, features)[..., None] - total
        summed = gain.sum(1)
        np.put_along_axis(summed, features.predicted[:, None], -np.inf, 1)
        return np.take_along_axis(gain, summed.argmax(1)[:, None, None], 2)[..., 0]

    def score(self, seen: Measured) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return np.asarray(self.per_layer(seen.features).sum(1), np.float64)


class RepairScore(FeatureDetector):
    """`ndcore.detectors.by_repair.RepairDetector` on images that were measured and repaired.

    Args:
        name: a key of `REPAIR_SCORES`.
    """

    kind, needs_repair, learns = "ours", True, False

    def __init__(self, name: str = BEST) -> None:
        self.name, (self.title, self.about) = name, REPAIR_SCORES[name]

    def score(self, seen: Measured) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return repair_score(self.name, seen.known_repairs)

    def bound(self, most: NDArray[np.floating], holes: NDArray[np.bool_]) -> NDArray[np.float64]:
        """See `FeatureDetector.bound`."""
        return repair_bound(self.name, most, holes)


def repair_or_outlier() -> Union:
    """Most of the false alarms for the repair, the rest for a test that needs no network."""
    outlier = next(each for each in baseline_detectors() if each.name == OUTLIER)
    return Union(
        "repair-or-outlier",
        "repairing each pixel, or the odd pixel out",
        f"{BEST} with four fifths of the false alarms, {OUTLIER} with one",
        "ours",
        [RepairScore(BEST), outlier],
        (0.8, 0.2),
    )


def our_detectors(conv: Sequence[str]) -> list[FeatureDetector]:
    """Those of the repair, the spot, and unions of two; `study.candidates` chooses among them.

    Args:
        conv: conv layers with positions.
    """
    found: list[FeatureDetector] = [RepairScore(name) for name in REPAIR_SCORES]
    found.append(repair_or_outlier())
    early = conv[:EARLY]
    if early:
        title = "the odd spot in the first layers"
        spots, member = (
            LayerScores("position-spot", conv, early, "early-spot", title) for _ in range(2)
        )
        spots.kind = "ours"
        found.append(spots)
        found.append(
            Union(
                "repair-or-spot",
                "repairing each pixel, or the odd spot",
                "the more alarming of repair-turn and early-spot",
                "ours",
                [RepairScore(BEST), member],
            )
        )
    return found


def divergence_detectors(
    layers: Sequence[str], conv: Sequence[str], units: Sequence[int]
) -> list[FeatureDetector]:
    """Every divergence over all its layers.

    Args:
        layers: all; units: of each; conv: those with positions.
    """
    found: list[FeatureDetector] = [
        LayerScores(name, conv if known.spatial else layers)
        for name, known in layer_measures().items()
        if conv or not known.spatial
    ]
    found.append(LikelihoodRatio(layers, units))
    title = "the oddest neurons of the late layers, by distance"
    found.append(LayerScores(HYPOTHESIS, layers, late_layers(layers), LATE, title))
    return found


def late_layers(layers: Sequence[str]) -> list[str]:
    """The last third of the layers, at least one."""
    return list(layers[-max(1, round(len(layers) / 3)) :])


def _over(chosen: Sequence[str], layers: Sequence[str]) -> str:
    if len(chosen) == len(layers):
        return "all layers"
    return ", ".join(chosen)
