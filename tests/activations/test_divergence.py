from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ndcore.activations.divergence import (
    SURPRISAL_BINS,
    SortedAtoms,
    class_spread,
    excess_w1,
    surprisal,
    tail_p,
    top_mean,
    w1_histograms,
)
from ndcore.activations.histograms import ClassHistograms


@pytest.fixture
def counted(rng: np.random.Generator) -> ClassHistograms:
    values = np.maximum(rng.normal(0.3, 1, (500, 7)), 0).astype(np.float32)
    return ClassHistograms.empty(2, values).update(values, rng.integers(0, 2, 500))


def test_w1_of_a_point_equals_scipy(rng: np.random.Generator) -> None:
    centres = rng.normal(size=(6, 40))
    weights = rng.integers(0, 9, (6, 40)) + 0.0
    weights[:, 0] += 1
    values = rng.normal(size=(5, 6)) * 3
    found = SortedAtoms(centres, weights).w1(values)
    for i in range(5):
        for unit in range(6):
            wanted = wasserstein_distance([values[i, unit]], centres[unit], None, weights[unit])
            assert found[i, unit] == pytest.approx(wanted, abs=1e-9)


def test_w1_of_histograms_equals_scipy(rng: np.random.Generator) -> None:
    centres = np.sort(rng.normal(size=30))
    p, q = rng.random((4, 30)), rng.random((4, 30))
    found = w1_histograms(p, q, centres)
    for i in range(4):
        wanted = wasserstein_distance(centres, centres, p[i], q[i])
        assert found[i] == pytest.approx(wanted, abs=1e-9)


@pytest.mark.spec("DD-1")
def test_w1_on_a_class_histogram_equals_scipy(counted: ClassHistograms) -> None:
    values = np.array([[0.0, 0.1, 0.5, 1.0, 2.0, 9.0, -1.0]])
    found = SortedAtoms(counted.centres(), counted.counts[1].astype(float)).w1(values)
    for unit in range(7):
        wanted = wasserstein_distance(
            [values[0, unit]], counted.centres()[unit], None, counted.counts[1, unit]
        )
        assert found[0, unit] == pytest.approx(wanted, abs=1e-9)


def test_excess_w1_is_zero_at_the_median_and_grows_away_from_it(
    counted: ClassHistograms,
) -> None:
    steps = np.linspace(0, 5, 41)[:, None] * class_spread(counted, 0)
    found = excess_w1(counted.medians()[0] + steps, counted, 0)
    width = (counted.hi - counted.lo) / 256 / class_spread(counted, 0)
    assert (found[0] <= width).all()
    assert (np.diff(found, axis=0) >= -1e-9).all()
    assert (found[-1] > 2).all()


def test_surprisal_is_minus_log_of_the_smoothed_share(counted: ClassHistograms) -> None:
    values = np.zeros((1, 7), np.float32)
    n = counted.n[0]
    wanted = -np.log((counted.counts[0, :, 0] + 0.5) / (n + 0.5 * (1 + SURPRISAL_BINS)))
    assert np.allclose(surprisal(values, counted, 0)[0], wanted)
    far = surprisal(np.full((1, 7), 1e6, np.float32), counted, 0)
    assert np.isfinite(far).all()
    assert (far > surprisal(counted.medians()[:1], counted, 0)).all()


def test_a_value_beyond_the_range_is_as_surprising_as_the_open_tail_is_rare() -> None:
    sample = np.linspace(0.5, 1, 20, dtype=np.float32)[:, None]
    counted = ClassHistograms.empty(2, sample)
    values = np.r_[sample[:, 0], 3, 5, 9, sample[:, 0]].astype(np.float32)[:, None]
    counted.update(values, np.repeat([0, 1], [23, 20]))
    beyond = np.array([[1.06], [9], [1e6]], np.float32)
    for label, images in ((0, 3), (1, 0)):
        n = int(counted.n[label])
        found = surprisal(beyond, counted, label)
        assert np.allclose(found, -np.log((images + 0.5) / (n + 65 / 2)))
    assert (surprisal(beyond, counted, 1) > surprisal(beyond, counted, 0)).all()
    far, farther = excess_w1(beyond[1:], counted, 1)
    assert farther > far


@pytest.mark.spec("DD-1")
def test_tail_p_is_two_sided_and_bounded(counted: ClassHistograms) -> None:
    n = counted.n[0]
    middle = tail_p(counted.medians()[:1], counted, 0)
    far = tail_p(np.full((1, 7), 1e6, np.float32), counted, 0)
    assert (middle > 0.4).all()
    assert (far >= 1 / (n + 1)).all()
    assert (far < 0.02).all()


@pytest.mark.spec("DD-2")
def test_top_mean() -> None:
    scores = np.arange(100.0)[None]
    assert top_mean(scores, 0.05)[0] == pytest.approx(np.mean([95, 96, 97, 98, 99]))
    assert top_mean(scores[:, :3], 0.05)[0] == 2
