"""Rates and their intervals, as numbers and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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


def paired_gap(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """95% interval of the rate of the first less that of the second, on the same things.

    Args:
        both, first, second, neither: how many of them hold for both, for one alone, for neither;
            at least one in all.

    Reference:
        Newcombe 1998, "Improved confidence intervals for the difference between binomial
        proportions based on paired data", method 10.
    """
    n = both + first + second + neither
    one, two = (both + first) / n, (both + second) / n
    (low1, high1), (low2, high2) = wilson(both + first, n), wilson(both + second, n)
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    tied = float(both * neither - first * second)
    tied = max(tied - n / 2, 0.0) if tied > 0 else tied
    phi = tied / math.sqrt(margins) if margins else 0.0

    def reach(mine: float, other: float) -> float:
        return math.sqrt(max(mine**2 - 2 * phi * mine * other + other**2, 0.0))

    below, above = reach(one - low1, high2 - two), reach(high1 - one, two - low2)
    return one - two - below, one - two + above


@dataclass(frozen=True)
class Rate:
    """`k` of `n`, with the 95% Wilson interval; of nothing it is undefined, never a number."""

    k: int
    n: int

    @classmethod
    def of(cls, found: Mapping[str, Any], key: str = "rate") -> Rate:
        """The rate that a document keeps under `key`, with its `n`."""
        return cls(round((found[key] or 0) * found["n"]), found["n"])

    @property
    def share(self) -> float:
        """k / n; NaN where n is 0."""
        return self.k / self.n if self.n else math.nan

    @property
    def ends(self) -> tuple[float, float]:
        """Low and high end of the interval; NaN where n is 0."""
        return wilson(self.k, self.n) if self.n else (math.nan, math.nan)

    def percent(self, digits: int = 1) -> str:
        """`24.6%`."""
        return f"{100 * self.share:.{digits}f}%" if self.n else "undefined"

    def interval(self, digits: int = 1) -> str:
        """`22.6-26.7%`."""
        low, high = self.ends
        return f"{100 * low:.{digits}f}-{100 * high:.{digits}f}%" if self.n else "undefined"

    @property
    def text(self) -> str:
        """`24.6% (22.6-26.7%)`."""
        return f"{self.percent()} ({self.interval()})" if self.n else "undefined"

    def to_dict(self, key: str = "rate") -> dict[str, Any]:
        """`{rate, ci95, n}` for JSON; where n is 0 the rate is None and anything is possible."""
        share = self.share if self.n else None
        return {key: share, "ci95": list(wilson(self.k, self.n)), "n": self.n}
