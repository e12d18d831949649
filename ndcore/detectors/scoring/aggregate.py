"""From one score per unit to one per layer, and from one per layer to one per image.

Units of a layer move together, so the textbook nulls of these statistics fire far too often; they
serve as statistics only, and what is usual for them is learnt from benign images (`Tail`).

References:
    Fisher 1925, "Statistical methods for research workers".
    Donoho & Jin 2004, "Higher criticism for detecting sparse heterogeneous mixtures".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BODY = 0.9  # quantile from which on a tail is continued as an exponential


def fisher(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """-2 sum ln p over the units, per unit: p-values (N, units) -> (N,)."""
    return np.asarray(-2 * np.log(p).mean(1), np.float64)


def higher_criticism(p: NDArray[np.floating]) -> NDArray[np.float64]:
    """Largest standardised excess of small p-values: (N, units) -> (N,).

    max over i <= d/2 with p_(i) >= 1/d of sqrt(d) (i/d - p_(i)) / sqrt(p_(i) (1 - p_(i))); 0 where
    no p-value qualifies.
    """
    d = p.shape[1]
    ordered = np.sort(np.asarray(p, np.float64), axis=1)[:, : max(1, d // 2)]
    rank = np.arange(1, ordered.shape[1] + 1) / d
    usable = (ordered >= 1 / d) & (ordered < 1)
    spread = np.sqrt(np.where(usable, ordered * (1 - ordered), 1))
    excess = np.where(usable, np.sqrt(d) * (rank - ordered) / spread, -np.inf).max(1)
    return np.where(np.isfinite(excess), excess, 0.0)


class Tail:
    """-ln of the share of benign images that score as high.

    Up to the 90% quantile the share is counted; beyond, it falls off exponentially with the mean
    excess of the benign images there, so that scores above all of them still differ.

    Args:
        benign: scores (n,), finite.
    """

    def __init__(self, benign: NDArray[np.floating]) -> None:
        self.ordered = np.sort(np.asarray(benign, np.float64))
        n = len(self.ordered)
        self.start = float(np.quantile(self.ordered, BODY, method="higher"))
        beyond = self.ordered[self.ordered > self.start] - self.start
        spread = float(self.ordered[-1] - self.ordered[0]) or 1.0
        self.scale = max(float(beyond.mean()) if len(beyond) else 0.0, 1e-9 * spread, 1e-300)
        self.at_start = -np.log((1 + np.count_nonzero(self.ordered >= self.start)) / (n + 1))

    def __call__(self, scores: NDArray[np.floating]) -> NDArray[np.float64]:
        """Scores of any shape -> float64 of the same shape, not negative, never falling."""
        scores = np.asarray(scores, np.float64)
        n = len(self.ordered)
        at_least = n - np.searchsorted(self.ordered, scores, side="left")
        body = -np.log((1 + at_least) / (n + 1))
        beyond = self.at_start + (scores - self.start) / self.scale
        return np.asarray(np.where(scores > self.start, beyond, body), np.float64)
