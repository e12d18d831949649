"""Intervals for reported rates."""

from __future__ import annotations

import math

__all__ = ["wilson"]

Z = 1.959963984540054  # of the normal distribution: 95% lie within it on either side


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """95% Wilson score interval of a rate; (0, 1) when there were no trials.

    Reference:
        Wilson 1927, "Probable inference, the law of succession, and statistical inference".
    """
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    whole = 2 * (trials + Z**2)
    centre = (2 * trials * rate + Z**2) / whole
    reach = Z / whole * math.sqrt(4 * trials * rate * (1 - rate) + Z**2)
    return (
        0.0 if successes == 0 else centre - reach,
        1.0 if successes == trials else centre + reach,
    )
