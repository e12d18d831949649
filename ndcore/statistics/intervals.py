"""Intervals for reported rates."""

from __future__ import annotations

from scipy.stats import binomtest

__all__ = ["wilson"]


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95% Wilson score interval of a rate; (0, 1) when there were no trials.

    Reference:
        Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if trials == 0:
        return 0.0, 1.0
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)
