"""Scores from divergences (DD-1) and their aggregates (DD-2), on measured features.

Against the predicted class: excess Wasserstein-1, surprisal and tail p of the units; Wasserstein-1,
KL and Jensen-Shannon of a conv layer's positions; the position map. Against other classes: the
log-likelihood ratio to the runner-up, and the divergence margin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ndcore.detectors.by_repair import BEST, REPAIR_SCORES, repair_score
from ndcore.detectors.scoring.detector import FeatureDetector, Layered, Measured, Union
from ndcore.detectors.scoring.features import AGGREGATES, Features
from ndcore.detectors.scoring.spatial import SPATIAL

# The paper's guess: an attack shows where late layers leave the predicted class's distributions.
HYPOTHESIS, LATE = "w1-top", "w1-top-late"
EARLY = 2  # first conv layers, where one pixel is still a spot

# Features -> scores (N, layers).
Measure = Callable[[Features], NDArray[np.floating]]


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


def layer_measures() -> dict[str, tuple[str, bool, Measure]]:
    """Name -> (what it is, whether over conv layers only, features -> scores (N, layers))."""
    found: dict[str, tuple[str, bool, Measure]] = {}
    for index, how in enumerate(AGGREGATES):
        of = "all units" if how == "mean" else "the top 5% of units"
        found[f"w1-{how}"] = (
            f"excess Wasserstein-1 to the predicted class, mean of {of}",
            False,
            partial(_own, "w1", index),
        )
        found[f"surprisal-{how}"] = (
            f"binned surprisal in the predicted class, mean of {of}",
            False,
            partial(_own, "surprisal", index),
        )
        found[f"margin-{how}"] = (
            f"Wasserstein-1 to the predicted class less that to the nearest other, mean of {of}",
            False,
            partial(_margin, index),
        )
        for place, name in enumerate(SPATIAL):
            found[f"spatial-{name}-{how}"] = (
                f"{name.upper()} of a unit's positions against the predicted class, mean of {of}",
                True,
                partial(_column, "spatial", (place, index)),
            )
    for index, (name, title) in enumerate(
        (("tail-fisher", "Fisher's statistic"), ("tail-hc", "higher criticism"))
    ):
        found[name] = (
            f"{title} of the units' two-sided tail p-values",
            False,
            partial(_column, "tail", (index,)),
        )
    found["newly-firing"] = (
        "share of units that fire though they never do for the predicted class",
        False,
        partial(_column, "newly", ()),
    )
    for index, (name, title) in enumerate(
        (
            ("position-max", "the oddest position"),
            ("position-top", "the oddest 10% of positions"),
            ("position-spot", "the position that stands out most from those around it"),
        )
    ):
        found[name] = (
            f"Mahalanobis distance of the channels at {title} from the predicted class",
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
        name: of the detector; None for the measure's.
    """

    def __init__(
        self,
        measure: str,
        layers: Sequence[str],
        chosen: Sequence[str] | None = None,
        name: str | None = None,
    ) -> None:
        about, _, self._measure = layer_measures()[measure]
        self.parts = list(layers if chosen is None else chosen)
        self._columns = [list(layers).index(layer) for layer in self.parts]
        self.name = name or measure
        self.about = f"{about}, {_over(self.parts, layers)}"
        self.kind = "divergence"

    def raw(self, measured: Measured) -> NDArray[np.floating]:
        """See `Layered.raw`."""
        return self._measure(measured.features)[:, self._columns]


class OneLayer(FeatureDetector):
    """One measure of one layer, as it is."""

    def __init__(self, measure: str, layers: Sequence[str], layer: str) -> None:
        about, _, self._measure = layer_measures()[measure]
        self._column = list(layers).index(layer)
        self.name, self.kind = f"{measure} {layer}", "divergence"
        self.about = f"{about}, {layer}"

    def score(self, seen: Measured) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return np.asarray(self._measure(seen.features)[:, self._column], np.float64)


class LikelihoodRatio(FeatureDetector):
    """Log-likelihood ratio, runner-up over predicted class, summed over units and layers.

    max over c of sum_j [ln q_c(a_j) - ln q_predicted(a_j)], units taken as independent: a score,
    not a probability. It is additive over units and so over layers.

    Args:
        layers: names; units: how many units each has.
    """

    name, kind, learns = "llr", "divergence", False
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
        self.name, self.about = name, REPAIR_SCORES[name]

    def score(self, seen: Measured) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return repair_score(self.name, seen.known_repairs)


def best_detector() -> RepairScore:
    """The detector of one-pixel attacks chosen on the dev split, before any other was opened.

    There (516 benign images, 103 attacks with corner colours and 38 with inconspicuous ones, all
    made from dev images) `repair-turn` reached an AUROC of 0.9999 and 0.990; the fall alone 0.9997
    and 0.974, the best baselines 0.980 (pixel outlier) and 0.979 (logit gap).
    """
    return RepairScore(BEST)


def our_detectors(conv: Sequence[str]) -> list[FeatureDetector]:
    """The best one first, then what it was chosen from.

    Args:
        conv: conv layers with positions.
    """
    found: list[FeatureDetector] = [RepairScore(name) for name in REPAIR_SCORES]
    early = conv[:EARLY]
    if early:
        spots = LayerScores("position-spot", conv, early, "early-spot")
        spots.kind = "ours"
        found.append(spots)
        about = "the more alarming of repair-turn and early-spot"
        found.append(
            Union(
                "repair-or-spot",
                about,
                "ours",
                [best_detector(), LayerScores("position-spot", conv, early, "early-spot")],
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
        LayerScores(name, conv if spatial else layers)
        for name, (_, spatial, _) in layer_measures().items()
        if conv or not spatial
    ]
    found.append(LikelihoodRatio(layers, units))
    found.append(LayerScores(HYPOTHESIS, layers, late_layers(layers), LATE))
    return found


def late_layers(layers: Sequence[str]) -> list[str]:
    """The last third of the layers, at least one."""
    return list(layers[-max(1, round(len(layers) / 3)) :])


def _over(chosen: Sequence[str], layers: Sequence[str]) -> str:
    if len(chosen) == len(layers):
        return "all layers"
    return ", ".join(chosen)
