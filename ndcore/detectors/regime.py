"""Which way an image is unusual for the class it is taken for.

Attacks that stop at the decision boundary, like one pixel, leave it between classes; those that
go on as far as they may, like PGD, push it beyond what the class's own images reach.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.divergence import rank_share
from ndcore.activations.histograms import ClassHistograms

EDGE = 0.1  # share of the class's images at either end
REGIMES = ("between classes", "typical", "over-typical")


def typicality(logits: NDArray[np.floating], histograms: ClassHistograms) -> NDArray[np.float64]:
    """Share of the predicted class's images with a smaller logit of that class, (N,).

    Args:
        logits: (N, classes).
        histograms: of the logits, one unit per class.
    """
    predicted = logits.argmax(1)
    found = np.empty(len(logits))
    for label in np.unique(predicted).tolist():
        rows = predicted == label
        found[rows] = rank_share(logits[rows], histograms, label)[:, label]
    return found


def regime_of(share: float) -> str:
    """One of `REGIMES`: among the class's lowest 10%, its highest 10%, or neither."""
    if share < EDGE:
        return REGIMES[0]
    return REGIMES[2] if share > 1 - EDGE else REGIMES[1]
