"""What a divergence has to beat, on the same features.

References:
    Hendrycks & Gimpel 2017, "A baseline for detecting misclassified and out-of-distribution
    examples" (softmax).
    Liu et al. 2020, "Energy-based out-of-distribution detection".
    Lee et al. 2018, "A simple unified framework ..." (Mahalanobis); the covariance after Ledoit &
    Wolf 2004, "A well-conditioned estimator for large-dimensional covariance matrices".
    Sun et al. 2022, "Out-of-distribution detection with deep nearest neighbors".
    Kim, Feldt & Yoo 2019, "Guiding deep learning system testing using surprise adequacy" (DSA).
    Xu, Evans & Qi 2018, "Feature squeezing".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from ndcore.detectors.scoring.detector import FeatureDetector, Measured
from ndcore.detectors.scoring.features import Features
from ndcore.detectors.scoring.reference import Reference

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors

# sklearn is imported where it is used: it takes a second, and what most detectors need is here too.

NEIGHBOURS = 50
FLOOR = 1e-12


class _Simple(FeatureDetector):
    kind, learns, measured = "baseline", False, ()

    def __init__(
        self,
        name: str,
        title: str,
        about: str,
        compute: Callable[[Features], NDArray[np.floating]],
    ) -> None:
        self.name, self.title, self.about, self._compute = name, title, about, compute

    def score(self, seen: Measured) -> NDArray[np.float64]:
        return np.asarray(self._compute(seen.features), np.float64)


class _SoftmaxDivergence(FeatureDetector):
    name, kind = "softmax-kl", "baseline"
    title = "probabilities unlike the class's"
    about = "KL of the probabilities from their mean over the predicted class"

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        self._usual = np.log(np.maximum(reference.usual_softmax, FLOOR))
        return self

    def score(self, seen: Measured) -> NDArray[np.float64]:
        p = np.maximum(seen.features.probabilities, FLOOR)
        usual = self._usual[seen.features.predicted]
        return np.asarray((p * (np.log(p) - usual)).sum(1))


class _Mahalanobis(FeatureDetector):
    name, kind = "mahalanobis", "baseline"
    title = "last features far from the class"
    about = "Mahalanobis distance of the penultimate layer from the predicted class (Ledoit-Wolf)"

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        from sklearn.covariance import LedoitWolf

        values, labels = reference.penultimate.astype(np.float64), reference.labels
        self._means = np.stack([values[labels == c].mean(0) for c in range(reference.classes)])
        known = LedoitWolf(assume_centered=True).fit(values - self._means[labels])
        self._precision = known.precision_
        return self

    def score(self, seen: Measured) -> NDArray[np.float64]:
        features = seen.features
        gap = features.penultimate.astype(np.float64) - self._means[features.predicted]
        return np.asarray(np.einsum("ni,ij,nj->n", gap, self._precision, gap, optimize=True))


class _Neighbours(FeatureDetector):
    name, kind = "knn", "baseline"
    title = "last features far from known images"
    about = f"distance to the {NEIGHBOURS}th nearest reference image, penultimate layer of length 1"

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        from sklearn.neighbors import NearestNeighbors

        count = min(NEIGHBOURS, len(reference.penultimate))
        self._near = NearestNeighbors(n_neighbors=count).fit(_unit(reference.penultimate))
        return self

    def score(self, seen: Measured) -> NDArray[np.float64]:
        distances, _ = self._near.kneighbors(_unit(seen.features.penultimate))
        return np.asarray(distances[:, -1], np.float64)


class _SurpriseAdequacy(FeatureDetector):
    name, kind = "dsa", "baseline"
    title = "last features nearer to other classes"
    about = "distance to the nearest reference image of the predicted class, over that one's own "
    about += "distance to the nearest of another class"

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        from sklearn.neighbors import NearestNeighbors

        self._own: dict[int, tuple[NearestNeighbors, NDArray[np.float64]]] = {}
        for label in range(reference.classes):
            rows = reference.labels == label
            own, others = reference.penultimate[rows], reference.penultimate[~rows]
            apart = NearestNeighbors(n_neighbors=1).fit(others).kneighbors(own)[0][:, 0]
            near = NearestNeighbors(n_neighbors=1).fit(own)
            self._own[label] = near, np.maximum(apart, FLOOR)
        return self

    def score(self, seen: Measured) -> NDArray[np.float64]:
        features = seen.features
        found = np.empty(len(features))
        for label in np.unique(features.predicted).tolist():
            rows = features.predicted == label
            near, apart = self._own[label]
            distances, which = near.kneighbors(features.penultimate[rows])
            found[rows] = distances[:, 0] / apart[which[:, 0]]
        return found


def baseline_detectors() -> list[FeatureDetector]:
    """All of them, unfitted."""
    return [
        _Simple(
            "1-max-softmax",
            "low confidence",
            "one less the probability of the predicted class",
            lambda f: 1 - f.probabilities.max(1),
        ),
        _Simple("entropy", "undecided probabilities", "entropy of the probabilities", _entropy),
        _Simple(
            "energy",
            "a weak response",
            "minus the log-sum-exp of the logits",
            lambda f: -logsumexp(f.logits.astype(np.float64), axis=1),
        ),
        _Simple(
            "logit-gap",
            "a close runner-up class",
            "minus the gap between the two largest logits",
            _gap,
        ),
        _SoftmaxDivergence(),
        _Simple(
            "pixel-outlier",
            "the odd pixel out",
            "largest gap between a pixel and the median of its 8 neighbours, no network",
            lambda f: f.outlier,
        ),
        _Simple(
            "median-squeeze",
            "smoothing the image",
            "L1 change of the probabilities under a 3x3 median filter (feature squeezing)",
            _squeeze,
        ),
        _Mahalanobis(),
        _Neighbours(),
        _SurpriseAdequacy(),
    ]


def _entropy(features: Features) -> NDArray[np.float64]:
    p = features.probabilities
    return np.asarray(-(p * np.log(np.maximum(p, FLOOR))).sum(1))


def _gap(features: Features) -> NDArray[np.float64]:
    top = np.partition(features.logits.astype(np.float64), -2, axis=1)
    return np.asarray(top[:, -2] - top[:, -1])


def _squeeze(features: Features) -> NDArray[np.float64]:
    after = softmax(features.squeezed.astype(np.float64), axis=1)
    return np.asarray(np.abs(features.probabilities - after).sum(1))


def _unit(values: NDArray[np.floating]) -> NDArray[np.float64]:
    values = np.asarray(values, np.float64)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), FLOOR))
