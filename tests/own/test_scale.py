"""Many classes and units: counts are bounded in memory, exact in what they hold, and read once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ndcore.activations import distributions as counting
from ndcore.activations.distributions import bins_within, count_bytes, count_distributions
from ndcore.activations.divergence import class_separation, excess_w1, surprisal, tail_p
from ndcore.activations.histograms import BINS, ClassHistograms
from ndcore.activations.reading import read_source
from ndcore.bundles.check import check_model
from ndcore.bundles.estimate import Estimate
from ndcore.errors import BadRequestError
from ndcore.networks.brought.opening import Wishes
from ndcore.networks.registry import model_spec
from tests.own.large import SHAPE, built, noise, observed, thousand

UNITS = 5


def values_of(count: int) -> np.ndarray:
    values = np.random.default_rng(0).normal(0.2, 1, (count, UNITS)).astype(np.float32)
    return np.maximum(values, 0)


def both(labels: np.ndarray, classes: int) -> tuple[ClassHistograms, ClassHistograms]:
    """The same images counted for all classes, and for those that have images."""
    values = values_of(len(labels))
    return (
        ClassHistograms.empty(classes, values).update(values, labels),
        ClassHistograms.empty(classes, values, labels).update(values, labels),
    )


@pytest.mark.spec("OM-8")
def test_classes_without_images_take_no_memory_and_alter_no_number() -> None:
    labels = np.array([7, 990, 7, 3, 990, 990])
    dense, sparse = both(labels, 1000)
    assert sparse.held == (3, 7, 990)
    assert sparse.counts.shape == (3, UNITS, 1 + BINS)
    assert sparse.counts.dtype == np.uint8
    assert sparse.counts.nbytes < dense.counts.nbytes / 2000
    np.testing.assert_array_equal(sparse.n, dense.n)
    asked = [990, 5, 3]
    np.testing.assert_array_equal(sparse.of(asked), dense.counts[asked])
    np.testing.assert_array_equal(sparse.medians(), dense.medians())
    np.testing.assert_array_equal(sparse.zero_share(), dense.zero_share())
    np.testing.assert_array_equal(sparse.joined(64, asked), dense.joined(64)[asked])
    np.testing.assert_array_equal(
        sparse.on_common_axis(0, 3, 32, asked), dense.on_common_axis(0, 3, 32)[asked]
    )
    assert sparse.axis() == dense.axis()
    new = values_of(3)
    for score in (excess_w1, surprisal, tail_p):
        np.testing.assert_array_equal(score(new, sparse, 990), score(new, dense, 990))
    np.testing.assert_array_equal(class_separation(sparse, 3, 990), class_separation(dense, 990, 3))


def test_a_class_that_is_not_held_or_overflows_is_refused() -> None:
    labels = np.zeros(255, np.int64)
    values = values_of(255)
    found = ClassHistograms.empty(2, values, labels).update(values, labels)
    assert found.counts.dtype == np.uint8
    with pytest.raises(ValueError, match="more than 255"):
        found.update(values[:1], labels[:1])
    with pytest.raises(ValueError, match="class 1"):
        found.update(values[:1], labels[:1] + 1)


def test_coarse_counts_are_fine_ones_joined() -> None:
    labels = np.arange(400) % 3
    values = values_of(400) - 0.3
    fine = ClassHistograms.empty(3, values).update(values, labels)
    coarse = ClassHistograms.empty(3, values, labels, bins=16).update(values, labels)
    np.testing.assert_array_equal(coarse.of(), fine.joined(16))
    assert np.abs(coarse.medians() - fine.medians()).max() <= ((fine.hi - fine.lo) / 16).max()
    assert np.isfinite(surprisal(values, coarse, 1)).all()
    assert coarse.pmf(16).shape == (3, UNITS, 17)


def test_bins_are_as_many_as_fit() -> None:
    few, many = np.repeat(np.arange(20), 12), np.repeat(np.arange(1000), 50)
    assert bins_within(43_016, few) == BINS
    bins = bins_within(43_016, many)
    assert bins == 32
    assert count_bytes(43_016, many, bins) == 1000 * 43_016 * 33
    assert count_bytes(43_016, many, bins) <= counting.COUNT_BYTES
    assert bins_within(50_000, np.repeat(np.arange(1000), 1300)) == 16
    with pytest.raises(BadRequestError, match="--layers"):
        bins_within(500_000, many)


@pytest.mark.parametrize("bins", [BINS, 32])
def test_counts_of_a_thousand_classes_are_those_of_numpy(
    bins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, source, layers = thousand().eval(), noise(1000, 6), observed("thousand")
    if bins < BINS:
        columns = 2 * 8 + 64 + 1000
        monkeypatch.setattr(counting, "COUNT_BYTES", 6 * columns * (1 + bins))
    read: Counter[int] = Counter()

    def seen(at: int) -> np.ndarray:
        read[at] += 1
        return source.read(at)

    found = count_distributions(model, layers, replace(source, read=seen), range(len(source)))
    assert {*read.values()} == {1}
    reading = read_source(model, layers, source, range(len(source)))
    for key, histograms in found.items():
        assert histograms.bins == bins
        wanted = np.zeros((1000, histograms.units, 1 + bins), int)
        cells = histograms.bin_of(reading.activations[key])
        for label, row in zip(source.labels, cells, strict=True):
            wanted[label, np.arange(histograms.units), row] += 1
        # The same image in another batch may lie on the other side of an edge.
        assert np.abs(histograms.of() - wanted).sum() <= 0.01 * wanted.sum()


def test_a_bundle_holds_only_the_classes_that_have_images(empty_cache: Path) -> None:
    source = noise(1000, 4)
    bundle = built("thousand", source)
    assert bundle.manifest["distributions"]["held"] == [996, 997, 998, 999]
    found = bundle.distributions("active", "value")
    assert found.counts.shape == (4, 64, 1 + BINS)
    reference = [source.keys().index(key) for key in bundle.splits["reference"]]
    assert found.n[996:].tolist() == np.bincount(source.labels[reference])[996:].tolist()
    assert found.n[:996].sum() == 0
    assert bundle.class_index("class 999") == 999


def test_what_a_bundle_costs_is_said_before_it_is_built(empty_cache: Path) -> None:
    said: list[Estimate] = []
    bundle = built("thousand", noise(1000, 30), said.append)
    (cost,) = said
    size = sum(path.stat().st_size for path in bundle.folder.iterdir()) / 1e6
    assert size / 4 < cost.bundle_mb < 4 * size
    assert f"{cost.bundle_mb:.1f} MB on disk" in cost.sentence


def test_what_takes_too_much_memory_stops_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "COUNT_BYTES", 1000)
    spec = model_spec(f"{Path(__file__).with_name('large.py')}:thousand")
    found, estimate = check_model(spec, None, Wishes(size=SHAPE[:2]))
    assert estimate is None
    assert found[0].stops
    assert "choose fewer layers with --layers" in found[0].sentence
