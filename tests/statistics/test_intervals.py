"""Rates: the Wilson interval against scipy, and what is said of nothing."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest

from ndcore.statistics.intervals import Rate, paired_gap, wilson


@pytest.mark.parametrize(("k", "n"), [(0, 1), (1, 1), (3, 20), (401, 1700), (10_000, 10_000)])
def test_the_interval_is_wilsons(k: int, n: int) -> None:
    wanted = binomtest(k, n).proportion_ci(method="wilson")
    assert wilson(k, n) == (wanted.low, wanted.high)
    assert Rate(k, n).ends == (wanted.low, wanted.high)


def test_a_rate_in_words_and_as_json() -> None:
    rate = Rate(401, 1700)
    assert rate.text == "23.6% (21.6-25.7%)"
    assert (rate.percent(0), rate.interval(2)) == ("24%", "21.63-25.66%")
    told = rate.to_dict("accuracy")
    assert told == {"accuracy": 401 / 1700, "ci95": list(rate.ends), "n": 1700}
    assert Rate.of(told, "accuracy") == rate


def test_a_rate_of_nothing_is_never_a_number() -> None:
    nothing = Rate(0, 0)
    assert math.isnan(nothing.share)
    assert all(math.isnan(end) for end in nothing.ends)
    assert nothing.text == nothing.percent() == nothing.interval() == "undefined"
    assert nothing.to_dict() == {"rate": None, "ci95": [0.0, 1.0], "n": 0}
    assert Rate.of(nothing.to_dict()) == nothing


def test_paired_gaps_are_those_of_the_paper() -> None:
    # Newcombe 1998, table II: 36, 12, 2 and 0 of 50.
    assert paired_gap(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-4)
    low, high = paired_gap(0, 0, 0, 12)
    assert low == -high < 0  # none of twelve is not none of all
    low, high = paired_gap(5, 3, 1, 4)
    assert (-high, -low) == pytest.approx(paired_gap(5, 1, 3, 4))
