"""Figures of merit against scikit-learn, pairs counted one by one, and simulation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from ndcore.statistics.roc import (
    aupr,
    auroc,
    bootstrap_auroc,
    fpr_at_tpr,
    matching_weights,
    pooled_band,
    rate,
    realised_band,
)


def test_auroc_equals_counting_pairs_and_sklearn(rng: np.random.Generator) -> None:
    benign, attacked = rng.integers(0, 9, 60) / 3, rng.integers(3, 12, 40) / 3
    pairs = (attacked[:, None] > benign) + 0.5 * (attacked[:, None] == benign)
    assert auroc(benign, attacked) == pytest.approx(pairs.mean())
    weights = rng.random(60)
    truth = np.r_[np.zeros(60), np.ones(40)]
    wanted = roc_auc_score(
        truth, np.r_[benign, attacked], sample_weight=np.r_[weights, np.ones(40)]
    )
    assert auroc(benign, attacked, weights) == pytest.approx(wanted)
    assert np.isnan(auroc(benign[:0], attacked))
    assert aupr(np.zeros(5), np.ones(5)) == 1


def test_fpr_at_95_tpr_by_hand() -> None:
    attacked = np.arange(1.0, 21.0)  # 19 of 20 lie at or above 2
    assert fpr_at_tpr(np.array([0.0, 1.0, 2.0, 3.0]), attacked) == 0.5


@pytest.mark.spec("DD-5")
def test_bootstrap_draws_source_images_whole(rng: np.random.Generator) -> None:
    benign, attacked = rng.normal(size=100), rng.normal(1, size=100)
    keys = [str(i) for i in range(100)]
    low, high = bootstrap_auroc(benign, attacked, keys, [f"a{k}" for k in keys])
    assert low < auroc(benign, attacked) < high
    assert 0.05 < high - low < 0.25
    again = bootstrap_auroc(benign, attacked, keys, [f"a{k}" for k in keys])
    assert (low, high) == again
    # The same image ten times over is one image: no narrower an interval.
    many = bootstrap_auroc(
        np.repeat(benign, 10), np.repeat(attacked, 10), np.repeat(keys, 10), np.repeat(keys, 10)
    )
    assert many[1] - many[0] > 0.7 * (high - low)
    assert np.isnan(bootstrap_auroc(benign[:0], attacked, [], keys)[0])


@pytest.mark.spec("DD-5")
def test_matched_confidence_leaves_confidence_no_advantage(rng: np.random.Generator) -> None:
    benign, attacked = rng.beta(5, 1, 4000), rng.beta(3, 3, 400)
    weights, comparable = matching_weights(benign, attacked)
    assert comparable.all()
    assert auroc(-benign, -attacked) > 0.8
    assert auroc(-benign, -attacked, weights) == pytest.approx(0.5, abs=0.03)
    _, lonely = matching_weights(np.full(5, 0.9), np.r_[np.full(5, 0.1), np.full(5, 0.9)], 2)
    assert lonely.tolist() == [False] * 5 + [True] * 5


def test_bands_hold_what_a_simulation_gives(rng: np.random.Generator) -> None:
    low, high = realised_band(99, 50, 0.1)
    seen = []
    for _ in range(2000):
        cut = np.sort(rng.random(99))[-10]
        seen.append((rng.random(50) > cut).mean())
    assert np.mean([low <= value <= high for value in seen]) > 0.94
    assert pooled_band([99], [50], 0.1) == pytest.approx((low, high), abs=0.021)
    assert realised_band(5, 50, 0.05) == (0.0, 0.0)
    assert pooled_band([99, 5], [50, 0], 0.1)[1] > 0
    assert rate(np.zeros(0, bool))["rate"] is None


def test_what_was_not_measured_has_no_figure_of_merit() -> None:
    known, unknown, none = np.array([0.0, 1.0]), np.array([2.0, np.nan]), np.zeros(0)
    for figure in (auroc, aupr, fpr_at_tpr):
        assert np.isnan([figure(known, unknown), figure(unknown, known)]).all()
        assert np.isnan([figure(known, none), figure(none, known)]).all()
    assert np.isnan(bootstrap_auroc(known, unknown, ["a", "b"], ["c", "d"])).all()
