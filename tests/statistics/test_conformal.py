from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import beta

from ndcore.errors import BadRequestError
from ndcore.statistics.conformal import ClassCalibration, conformal_p, fpr_band, threshold


@pytest.mark.spec("DD-3")
@pytest.mark.parametrize(("n", "alpha"), [(99, 0.05), (400, 0.05), (200, 0.1), (150, 0.01)])
def test_coverage_by_simulation(n: int, alpha: float, rng: np.random.Generator) -> None:
    rounds = 4000
    flagged = 0
    for _ in range(rounds):
        scores = rng.gamma(2, size=n + 1)
        flagged += conformal_p(scores[-1:], scores[:-1])[0] <= alpha
    exact = math.floor((n + 1) * alpha) / (n + 1)
    sd = math.sqrt(exact * (1 - exact) / rounds)
    assert abs(flagged / rounds - exact) < 4 * sd
    assert exact <= alpha


def test_p_value_by_hand_and_with_ties() -> None:
    calibration = np.array([1.0, 2.0, 2.0, 3.0])
    found = conformal_p(np.array([0.0, 2.0, 2.5, 4.0]), calibration)
    assert found.tolist() == [1.0, 0.8, 0.4, 0.2]


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2, 0.5])
def test_threshold_and_p_value_agree(alpha: float, rng: np.random.Generator) -> None:
    calibration = rng.integers(0, 40, 300).astype(float)
    scores = np.arange(-1.0, 42.0, 0.5)
    by_p = conformal_p(scores, calibration) <= alpha
    assert np.array_equal(by_p, scores > threshold(calibration, alpha))


@pytest.mark.spec("DD-3")
def test_too_few_images_never_flag() -> None:
    assert threshold(np.arange(18.0), 0.05) == math.inf
    assert threshold(np.arange(19.0), 0.05) == 18
    assert fpr_band(18, 0.05) == (0.0, 0.0)


@pytest.mark.spec("DD-3")
def test_each_class_has_its_own_calibration(rng: np.random.Generator) -> None:
    scores, predicted = rng.random(100).astype(np.float32), np.repeat([0, 2], [79, 21])
    known = ClassCalibration(scores, predicted)
    new, classes = rng.random(30), np.arange(30) % 3
    p = known.p_values(new, classes)
    for c in (0, 2):
        own = scores[predicted == c]
        assert known.benign(c).tolist() == sorted(own.tolist())
        assert p[classes == c].tolist() == conformal_p(new[classes == c], own).tolist()
        assert known.threshold(c, 0.1) == threshold(own, 0.1)
    # Nothing is known of class 1, so nothing is suspicious in it.
    assert (p[classes == 1] == 1).all()
    assert known.threshold(1, 0.1) == math.inf
    assert known.numbers(np.array([2, 1, 0])).tolist() == [21, 0, 79]
    assert known.p_values(new[:0], classes[:0]).shape == (0,)


@pytest.mark.spec("DD-3")
def test_band_is_the_beta_band(rng: np.random.Generator) -> None:
    low, high = fpr_band(400, 0.05)
    assert (low, high) == (
        pytest.approx(beta.ppf(0.025, 20, 381)),
        pytest.approx(beta.ppf(0.975, 20, 381)),
    )
    realised = []
    for _ in range(2000):
        realised.append(1 - threshold(rng.random(400), 0.05))
    inside = np.mean([low <= rate <= high for rate in realised])
    assert inside == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, 2, float("nan")])
def test_alpha_outside_zero_and_one_is_refused(alpha: float) -> None:
    with pytest.raises(BadRequestError, match="between 0 and 1"):
        threshold(np.arange(10.0), alpha)


def test_a_score_that_is_no_number_is_not_flagged() -> None:
    found = conformal_p(np.array([np.nan, 98.0]), np.arange(99.0))
    assert np.isnan(found[0])
    assert not found[0] <= 0.05
    assert found[1] == 2 / 100
