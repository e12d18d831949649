"""How a layer's metric moves over the epochs: with the learning rate, and with another metric.

Zhong et al. 2017 read these off their heat maps: discriminability that falls once the learning
rate is lowered (section 4.1.1), and density that moves with discriminability where there is batch
norm (section 4.2.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WINDOW = 5


def lowered_after(rates: Sequence[Sequence[float]], epochs: int) -> tuple[int, ...]:
    """Epochs after which the learning rate steps down.

    Args:
        rates: ramps (until this share of all steps, from, to), see `TrainConfig`.
        epochs: of the whole training.
    """
    return tuple(
        round(until * epochs) for (until, _, last), (_, first, _) in pairwise(rates) if first < last
    )


def sides_of(epochs: NDArray[np.integer], at: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the epochs (E,) are the last `WINDOW` up to `at`, and which the first after it."""
    before = (epochs > at - WINDOW) & (epochs <= at)
    return before, (epochs > at) & (epochs <= at + WINDOW)


def change_after(
    values: NDArray[np.floating], epochs: NDArray[np.integer], at: int
) -> NDArray[np.float64]:
    """Mean over the 5 epochs after `at` relative to the mean over the 5 up to it, less 1.

    Args:
        values: (layers, E), not negative.
        epochs: their numbers, (E,).
        at: the last epoch before.

    Returns:
        (layers,); NaN where there is no epoch on a side, or nothing before.
    """
    before, after = (values[:, side].astype(np.float64) for side in sides_of(epochs, at))
    found = np.full(len(values), np.nan)
    if before.shape[1] and after.shape[1]:
        base = before.mean(1)
        np.divide(after.mean(1), base, out=found, where=base > 0)
    return found - 1


def correlations(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.float64]:
    """Pearson correlation over the epochs, row by row.

    Args:
        a, b: (layers, E).

    Returns:
        (layers,) in [-1, 1]; NaN where a row does not move.
    """
    left = a.astype(np.float64) - a.mean(1, keepdims=True, dtype=np.float64)
    right = b.astype(np.float64) - b.mean(1, keepdims=True, dtype=np.float64)
    spread = np.sqrt((left**2).sum(1) * (right**2).sum(1))
    found = np.full(len(a), np.nan)
    np.divide((left * right).sum(1), spread, out=found, where=spread > 1e-12)
    return np.asarray(np.clip(found, -1, 1))
