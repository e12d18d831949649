"""Split-conformal p-values and thresholds, per predicted class.

With n calibration scores of benign images of that predicted class, which were never used for
the reference, P(flag | benign) <= alpha holds for a new exchangeable image.

Reference:
    Bates et al. 2023, "Testing for outliers with conformal p-values", Annals of Statistics.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from ndcore.errors import BadRequestError


def check_alpha(alpha: float) -> float:
    """Return alpha if it is a usable false-positive rate.

    Raises:
        BadRequestError: outside (0, 1).
    """
    if not 0 < alpha < 1:
        raise BadRequestError(f"alpha must lie between 0 and 1, got {alpha}")
    return alpha


def conformal_p(
    scores: NDArray[np.floating], calibration: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(1 + how many calibration scores (n,) are >= the score) / (n + 1), for scores (N,).

    NaN where the score is: what was not measured is not suspicious.
    """
    ordered = np.sort(calibration)
    at_least = len(ordered) - np.searchsorted(ordered, scores, side="left")
    found = (1 + at_least) / (len(ordered) + 1)
    return np.asarray(np.where(np.isnan(scores), np.nan, found), np.float64)


def rank(n: int, alpha: float) -> int:
    """How many of n calibration images may score at least as high: floor((n + 1) alpha)."""
    # The small addend keeps 0.05 * 20 = 1.0000000000000000x from losing a rank.
    return math.floor((n + 1) * alpha + 1e-9)


def threshold(calibration: NDArray[np.floating], alpha: float) -> float:
    """Scores above this have p <= alpha; infinity when n is too small for any to reach it."""
    allowed = rank(len(calibration), check_alpha(alpha))
    return float(np.sort(calibration)[-allowed]) if allowed >= 1 else math.inf


class ClassCalibration:
    """Calibration scores by predicted class, and what they say of new ones.

    Scores are compared as they are given; whoever saves some rounded rounds the others alike, so
    that ties stay ties.

    Args:
        scores: of benign images, (n,).
        predicted: their predicted classes, (n,).
    """

    def __init__(self, scores: NDArray[np.floating], predicted: NDArray[np.integer]) -> None:
        self._none = scores[:0]
        self._by_class = {
            int(label): np.sort(scores[predicted == label]) for label in np.unique(predicted)
        }

    def benign(self, label: int) -> NDArray[np.floating]:
        """Sorted scores of the images predicted as `label`; may be empty."""
        return self._by_class.get(label, self._none)

    def p_values(
        self, scores: NDArray[np.floating], predicted: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """p-values (N,) of scores (N,), each within its predicted class (N,)."""
        found = np.ones(len(scores))
        for label in np.unique(predicted).tolist():
            rows = predicted == label
            found[rows] = conformal_p(scores[rows], self.benign(label))
        return found

    def numbers(self, predicted: NDArray[np.integer]) -> NDArray[np.int64]:
        """How many calibration images each of these predicted classes (N,) has, (N,)."""
        return np.array([len(self.benign(label)) for label in predicted.tolist()], np.int64)

    def threshold(self, label: int, alpha: float) -> float:
        """See `threshold`, for images predicted as `label`."""
        return threshold(self.benign(label), alpha)


@cache
def fpr_band(n: int, alpha: float) -> tuple[float, float]:
    """95% band of the false-positive rate that a threshold from n scores really has.

    Given the calibration set, that rate follows Beta(l, n + 1 - l) with l = floor((n + 1) alpha).
    """
    allowed = rank(n, check_alpha(alpha))
    if allowed < 1:
        return 0.0, 0.0
    null = beta(allowed, n + 1 - allowed)
    return float(null.ppf(0.025)), float(null.ppf(0.975))
