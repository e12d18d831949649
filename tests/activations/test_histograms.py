from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ndcore.activations.histograms import BINS, ClassHistograms
from ndcore.errors import BadRequestError


def sample(seed: int, n: int = 400, units: int = 5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    values = np.maximum(rng.normal(0.5, 1, (n, units)), 0).astype(np.float32)
    return values, rng.integers(0, 3, n)


def test_counts_equal_numpy() -> None:
    values, labels = sample(0)
    found = ClassHistograms.empty(3, values).update(values, labels)
    for label in range(3):
        for unit in range(5):
            chosen = values[labels == label, unit]
            positive = chosen[chosen != 0]
            edges = np.linspace(found.lo[unit], found.hi[unit], BINS + 1)
            wanted, _ = np.histogram(positive, edges)
            # float32 rounding may move a value that sits on an edge to the neighbouring bin
            assert np.abs(np.cumsum(found.counts[label, unit, 1:] - wanted)).max() <= 1
            assert found.counts[label, unit, 0] == (chosen == 0).sum()
    assert found.n.tolist() == [(labels == c).sum() for c in range(3)]


def test_medians_and_quantiles_within_one_bin() -> None:
    values, labels = sample(1, n=901)
    found = ClassHistograms.empty(3, values).update(values, labels)
    width = (found.hi - found.lo) / BINS
    for q in (0.05, 0.25, 0.5, 0.75, 0.95):
        for label in range(3):
            wanted = np.quantile(values[labels == label], q, axis=0, method="inverted_cdf")
            assert (np.abs(found.quantile(q)[label] - wanted) <= width).all()
    assert np.array_equal(found.medians(), found.quantile(0.5))
    with pytest.raises(BadRequestError, match="2"):
        found.quantile(2)


@pytest.mark.spec("OM-4")
def test_negative_values_and_zero_keep_their_order() -> None:
    values = np.array([[-2.0], [-1.0], [0.0], [0.0], [3.0]], np.float32)
    found = ClassHistograms.empty(1, values).update(values, np.zeros(5, int))
    width = float((found.hi - found.lo)[0]) / BINS
    assert found.medians()[0, 0] == pytest.approx(0, abs=width)
    assert found.quantile(0.2)[0, 0] == pytest.approx(-2, abs=width)
    assert found.quantile(1.0)[0, 0] == pytest.approx(3, abs=width)
    assert found.zero_share()[0, 0] == pytest.approx(0.4)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.randoms())
def test_merging_in_any_order_gives_the_same_bytes(sizes: list[int], shuffle: object) -> None:
    values, labels = sample(2, n=sum(sizes))
    whole = ClassHistograms.empty(3, values).update(values, labels)
    parts, start = [], 0
    for size in sizes:
        part = ClassHistograms.empty(3, values)
        parts.append(part.update(values[start : start + size], labels[start : start + size]))
        start += size
    shuffle.shuffle(parts)  # type: ignore[attr-defined]
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge(part)
    assert merged.counts.tobytes() == whole.counts.tobytes()


def test_foreign_edges_do_not_merge() -> None:
    values, _ = sample(3)
    with pytest.raises(ValueError, match="edges"):
        ClassHistograms.empty(3, values).merge(ClassHistograms.empty(3, values * 2))


def test_values_beyond_the_range_stay_in_the_outer_bins() -> None:
    values = np.array([[1.0]], np.float32)
    found = ClassHistograms.empty(1, values)
    found.update(np.array([[100.0], [-100.0]], np.float32), np.zeros(2, int))
    assert found.counts[0, 0, BINS] == 1
    assert found.counts[0, 0, 1] == 1


def test_a_silent_unit_has_a_range() -> None:
    values = np.zeros((10, 2), np.float32)
    found = ClassHistograms.empty(1, values).update(values, np.zeros(10, int))
    assert (found.hi > found.lo).all()
    assert found.medians().tolist() == [[0, 0]]
    assert found.zero_share().tolist() == [[1, 1]]


def test_not_a_number_is_refused() -> None:
    values = np.ones((2, 1), np.float32)
    with pytest.raises(ValueError, match="finite"):
        ClassHistograms.empty(1, values).update(values * np.nan, np.zeros(2, int))


def test_pmf_sums_to_one_and_is_never_zero() -> None:
    values, labels = sample(4)
    pmf = ClassHistograms.empty(3, values).update(values, labels).pmf(64)
    assert pmf.shape == (3, 5, 65)
    assert np.allclose(pmf.sum(-1), 1)
    assert (pmf > 0).all()
    with pytest.raises(BadRequestError, match="60"):
        ClassHistograms.empty(3, values).pmf(60)


def test_common_axis_keeps_the_mass() -> None:
    values, labels = sample(5)
    found = ClassHistograms.empty(3, values).update(values, labels)
    shares = found.on_common_axis(float(found.lo.min()), float(found.hi.max()), 50)
    assert shares.shape == (3, 5, 50)
    assert np.allclose(shares.sum(-1) + found.zero_share(), 1, atol=1e-5)
    lo, hi = found.axis()
    assert lo <= 0 < hi
    assert found.on_common_axis(lo, hi, 32, classes=[2]).shape == (1, 5, 32)
