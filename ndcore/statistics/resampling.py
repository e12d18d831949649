"""Bootstrap intervals of means over layers or units, seeded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWS = 2000


def mean_interval(values: NDArray[np.floating]) -> tuple[float, float]:
    """95% interval of the mean of (n,)."""
    return _interval(_means(values, np.random.default_rng(0)))


def gap_interval(first: NDArray[np.floating], second: NDArray[np.floating]) -> tuple[float, float]:
    """95% interval of the mean of (n,) less the mean of (m,), drawn independently."""
    rng = np.random.default_rng(0)
    return _interval(_means(first, rng) - _means(second, rng))


def _means(values: NDArray[np.floating], rng: np.random.Generator) -> NDArray[np.floating]:
    found: NDArray[np.floating] = rng.choice(values, (DRAWS, len(values))).mean(1)
    return found


def _interval(means: NDArray[np.floating]) -> tuple[float, float]:
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
