"""How sure a classifier is of a class, on the scale where evidence adds up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp


def log_odds(
    logits: NDArray[np.floating], labels: NDArray[np.integer] | int
) -> NDArray[np.float64]:
    """ln p / (1 - p) of a class: its logit less the log-sum-exp of the others, (P,).

    Args:
        logits: (P, classes).
        labels: whose, one for each row or one for all.
    """
    values = np.asarray(logits, np.float64)
    own = np.zeros(values.shape, np.bool_)
    own[np.arange(len(values)), labels] = True
    others = values[~own].reshape(len(values), values.shape[1] - 1)
    return np.asarray(values[own] - logsumexp(others, axis=1))
