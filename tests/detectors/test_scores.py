from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon, mahalanobis
from scipy.stats import entropy, wasserstein_distance

from ndcore.activations.divergence import excess_w1, surprisal, tail_p
from ndcore.activations.histograms import ClassHistograms
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.detectors.scoring.aggregate import Tail, fisher, higher_criticism
from ndcore.detectors.scoring.baselines import baseline_detectors
from ndcore.detectors.scoring.class_tables import ClassTables
from ndcore.detectors.scoring.detector import FeatureDetector, Layered, Measured, Union
from ndcore.detectors.scoring.features import FeaturePass, Features
from ndcore.detectors.scoring.reference import (
    Reference,
    collect_reference,
    load_reference,
    save_reference,
)
from ndcore.detectors.scoring.scores import LayerScores, LikelihoodRatio, divergence_detectors
from ndcore.detectors.scoring.spatial import SpatialReference, against_class, position_map, summary
from ndcore.errors import BadRequestError, BundleError


@pytest.fixture
def reference(digits_bundle: Bundle) -> Reference:
    source = open_source("digits")
    members = positions(source, digits_bundle.splits["reference"])
    return collect_reference(
        digits_bundle.model, digits_bundle.layers, source, members, per_class=40
    )


def measured(bundle: Bundle, reference: Reference, split: str) -> Measured:
    source = open_source("digits")
    members = positions(source, bundle.splits[split])
    return Measured(FeaturePass(bundle, reference).read(source.pixels(members)))


def counted(rng: np.random.Generator, low: float) -> ClassHistograms:
    """Ordinary units, one that never fires and one that is constant but for class 2."""
    values = np.maximum(rng.normal(0.3, 1, (600, 6)), low).astype(np.float32)
    labels = rng.integers(0, 3, 600)
    values[:, 4] = 0
    values[:, 5] = np.where(labels == 2, values[:, 5], 1.5)
    return ClassHistograms.empty(3, values).update(values, labels)


@pytest.mark.spec("DD-1")
@pytest.mark.parametrize("low", [0.0, -9.0], ids=["after ReLU", "signed"])
def test_tables_give_what_the_definitions_give(rng: np.random.Generator, low: float) -> None:
    histograms = counted(rng, low)
    values = np.concatenate([rng.normal(0, 2, (40, 6)), np.zeros((1, 6)), np.full((1, 6), 99.0)])
    values = values.astype(np.float32)
    tables = ClassTables(histograms)
    w1, rare = tables.excess_w1(values), tables.surprisal(values)
    for label in range(3):
        wanted = excess_w1(values, histograms, label)
        assert np.allclose(w1[..., label], wanted, rtol=1e-4, atol=2e-3)
        assert np.allclose(rare[..., label], surprisal(values, histograms, label), atol=1e-5)
        labels = np.full(len(values), label)
        assert np.allclose(
            tables.tail_p(values, labels), tail_p(values, histograms, label), atol=1e-6
        )
        assert tables.newly_firing(np.ones((1, 6)), labels[:1])[0] == 1
        assert tables.newly_firing(np.zeros((1, 6)), labels[:1])[0] == 0


def test_a_class_without_images_gives_finite_scores(rng: np.random.Generator) -> None:
    values = rng.random((50, 3)).astype(np.float32)
    histograms = ClassHistograms.empty(2, values).update(values, np.zeros(50, np.int64))
    tables = ClassTables(histograms)
    assert np.isfinite(tables.excess_w1(values)).all()
    assert np.isfinite(tables.surprisal(values)).all()
    assert (tables.tail_p(values, np.ones(50, np.int64)) > 0).all()


@pytest.mark.spec("DD-2")
def test_higher_criticism_and_fisher_by_hand(rng: np.random.Generator) -> None:
    p = rng.random((20, 50))
    p[0, :5] = 1e-9  # below 1/d: not used
    for row, found, summed in zip(p, higher_criticism(p), fisher(p), strict=True):
        ordered = np.sort(row)
        wanted = [
            np.sqrt(50) * (i / 50 - ordered[i - 1]) / np.sqrt(ordered[i - 1] * (1 - ordered[i - 1]))
            for i in range(1, 26)
            if ordered[i - 1] >= 1 / 50
        ]
        assert found == pytest.approx(max(wanted))
        assert summed == pytest.approx(-2 * np.log(row).sum() / 50)
    assert higher_criticism(np.ones((1, 50)))[0] == 0


@pytest.mark.spec("DD-2")
def test_tail_counts_up_to_the_90_percent_quantile_and_goes_on_beyond(
    rng: np.random.Generator,
) -> None:
    benign = rng.gamma(2, size=500)
    tail = Tail(benign)
    scores = np.linspace(-1, benign.max() * 3, 400)
    found = tail(scores)
    assert (np.diff(found) >= 0).all()
    assert found[0] == 0
    middle = float(np.median(benign))
    assert tail(np.array([middle]))[0] == pytest.approx(np.log(2), abs=0.01)
    assert (np.diff(tail(benign.max() + np.arange(5.0))) > 0).all()
    assert np.isfinite(Tail(np.zeros(30))(np.array([0.0, 1.0]))).all()


@pytest.fixture
def conv(rng: np.random.Generator) -> tuple[SpatialReference, np.ndarray]:
    """Two classes, three units on 4x4 maps; one unit never fires."""
    maps = np.maximum(rng.normal(0.2, 1, (2, 80, 3, 4, 4)), 0).astype(np.float32)
    maps[1] *= 1.5
    maps[:, :, 2] = 0
    rows = maps.transpose(0, 2, 1, 3, 4).reshape(2, 3, -1)
    centred = rows - rows.mean(2, keepdims=True)
    covariance = np.einsum("cik,cjk->ij", centred, centred) / (2 * rows.shape[2])
    levels = ((np.arange(256) + 0.5) / 256 * rows.shape[2]).astype(int)
    quantiles = np.sort(rows, 2)[..., levels]
    return SpatialReference.from_quantiles(rows.mean(2), covariance, quantiles), quantiles


@pytest.mark.spec("DD-1")
def test_positions_of_a_unit_against_scipy(
    conv: tuple[SpatialReference, np.ndarray], rng: np.random.Generator
) -> None:
    reference, quantiles = conv
    maps = np.maximum(rng.normal(0.5, 1, (5, 3, 4, 4)), 0).astype(np.float32)
    labels = np.array([0, 1, 0, 1, 1])
    found = against_class(reference, torch.from_numpy(maps), labels)
    for i, label in enumerate(labels):
        for unit in range(3):
            values = maps[i, unit].ravel()
            wanted = wasserstein_distance(values, quantiles[label, unit])
            spread = reference.spread[label, unit]
            assert found["w1"][i, unit] == pytest.approx(wanted / spread, rel=1e-4)
            edges = reference.edges[unit]
            bins = np.searchsorted(edges, values, side="left")
            p = np.bincount(bins, minlength=len(edges) + 1) / len(values)
            q = reference.shares[label, unit]
            assert found["kl"][i, unit] == pytest.approx(entropy(p, q), abs=1e-4)
            assert found["js"][i, unit] == pytest.approx(jensenshannon(p, q) ** 2, abs=1e-4)
            assert 0 <= found["js"][i, unit] <= np.log(2) + 1e-6


@pytest.mark.spec("DD-1")
def test_position_map_against_scipy_and_a_planted_position(
    conv: tuple[SpatialReference, np.ndarray], rng: np.random.Generator
) -> None:
    reference, _ = conv
    maps = np.maximum(rng.normal(0.2, 1, (2, 3, 4, 4)), 0).astype(np.float32)
    maps[:, 2] = 0
    maps[1, :, 2, 3] = [9, 9, 0]
    found = position_map(reference, torch.from_numpy(maps), np.array([0, 1]))
    precision = reference.whiten.astype(float) @ reference.whiten.T.astype(float)
    wanted = mahalanobis(maps[0, :, 1, 1], reference.means[0], precision) ** 2 / 3
    assert found[0, 1, 1] == pytest.approx(wanted, rel=1e-3)
    brief, where = summary(found, (8, 8))
    assert where[1].tolist() == [5, 7]
    assert brief[1, 0] == found[1, 2, 3] > 10 * found[0].max()
    assert np.isfinite(brief).all()


@pytest.mark.spec("DD-6")
def test_every_detector_has_one_interface(digits_bundle: Bundle, reference: Reference) -> None:
    dev, held = (measured(digits_bundle, reference, split) for split in ("dev", "calibration"))
    new = measured(digits_bundle, reference, "evaluation")
    passes = FeaturePass(digits_bundle, reference)
    units = [digits_bundle.units(layer) for layer in passes.layers]
    detectors: list[FeatureDetector] = [
        *baseline_detectors(),
        *divergence_detectors(passes.layers, passes.conv, units),
    ]
    detectors.append(
        Union(
            "both",
            "both",
            "two of them",
            "ours",
            [baseline_detectors()[0], baseline_detectors()[5]],
        )
    )
    assert len({detector.name for detector in detectors}) == len(detectors)
    for detector in detectors:
        detector.fit(dev, held, reference)
        scores, p = detector.score(new), detector.p_value(new)
        assert scores.shape == p.shape == (len(new),)
        assert np.isfinite(scores).all()
        assert ((p > 0) & (p <= 1)).all()
        # Benign images that took part in nothing: about uniform p-values.
        flagged = np.mean(p <= 0.1)
        assert flagged < 0.2, detector.name
        assert flagged > 0.02 or len(np.unique(scores)) < 50, detector.name  # ties flag less
        if isinstance(detector, Layered):
            assert detector.shares(new).shape == (len(new), len(detector.parts))
        for verdict, score, own in zip(detector.explain(new, 0.1), scores, p, strict=True):
            assert (verdict.score, verdict.p_value) == (score, own)
            assert verdict.layers == verdict.units == ()
        assert detector.about


@pytest.mark.spec("DD-1")
def test_the_likelihood_ratio_is_additive_over_layers_and_units(
    digits_bundle: Bundle, reference: Reference
) -> None:
    source = open_source("digits")
    pixels = source.pixels(range(6))
    passes = FeaturePass(digits_bundle, reference)
    features = passes.read(pixels)
    detector = LikelihoodRatio(passes.layers, passes.units)
    found = detector.per_layer(features)
    reading = digits_bundle.read(pixels)
    slow = np.zeros((6, len(digits_bundle.classes)))
    per_layer = []
    for layer in digits_bundle.layers:
        reduction = digits_bundle.reductions(layer)[-1]
        histograms = digits_bundle.distributions(layer, reduction)
        values = reading.values(layer, reduction)
        rare = np.stack([surprisal(values, histograms, c).sum(1) for c in range(10)], 1)
        gain = rare[np.arange(6), reading.predicted][:, None] - rare
        per_layer.append(gain)
        slow += gain
    slow[np.arange(6), reading.predicted] = -np.inf
    assert np.allclose(detector.score(Measured(features)), slow.max(1), rtol=1e-3, atol=1e-2)
    for j, gain in enumerate(per_layer):
        assert np.allclose(found[:, j], gain[np.arange(6), slow.argmax(1)], rtol=1e-3, atol=1e-2)


def test_too_few_calibration_images_never_flag(digits_bundle: Bundle, reference: Reference) -> None:
    dev = measured(digits_bundle, reference, "dev")
    detector = baseline_detectors()[0].prepare(reference, dev)
    detector.calibrate(np.arange(18.0), np.zeros(18, np.int64))
    rows = dev.features.predicted == 0
    few = Measured(Features(**{name: each[rows] for name, each in vars(dev.features).items()}))
    assert (detector.p_of(np.full(len(few), 99.0), few.features.predicted) > 0.05).all()
    assert detector.calibration.images.threshold(0, 0.05) == np.inf
    unseen = detector.p_of(np.full(3, 99.0), np.full(3, 7))
    assert (unseen == 1).all()
    with pytest.raises(BundleError, match="no calibration"):
        _ = baseline_detectors()[0].calibration
    with pytest.raises(BadRequestError, match="needs the leave-one-pixel-out repair"):
        _ = few.known_repairs


def test_coverage_of_p_values_per_predicted_class_by_simulation(rng: np.random.Generator) -> None:
    detector = baseline_detectors()[0]
    flagged = np.zeros(2)
    rounds, new = 300, 50
    for _ in range(rounds):
        labels = np.repeat([0, 1], 99)
        detector.calibrate(rng.gamma(1 + labels), labels)
        truth = np.repeat([0, 1], new)
        p = detector.p_of(rng.gamma(1 + truth), truth)
        flagged += [(p[truth == c] <= 0.05).mean() for c in (0, 1)]
    assert np.allclose(flagged / rounds, 0.05, atol=0.01)


def test_foreign_or_damaged_reference_is_refused(
    digits_bundle: Bundle, reference: Reference, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("reference") / "reference.npz"
    save_reference(path, reference)
    again = load_reference(path, digits_bundle.weight_hash)
    assert list(again.spatial) == list(reference.spatial)
    source = open_source("digits")
    first = FeaturePass(digits_bundle, reference).read(source.pixels([0, 1]))
    second = FeaturePass(digits_bundle, again).read(source.pixels([0, 1]))
    for name, values in vars(first).items():
        assert np.array_equal(values, getattr(second, name)), name
    with pytest.raises(BundleError, match="other weights"):
        load_reference(path, "another")
    foreign = SimpleNamespace(weight_hash="another", layers=digits_bundle.layers)
    with pytest.raises(BundleError, match="other weights"):
        FeaturePass(foreign, reference)  # type: ignore[arg-type]
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(BundleError, match="damaged"):
        load_reference(path, digits_bundle.weight_hash)


def test_features_are_the_same_alone_and_among_others_and_on_disk(
    digits_bundle: Bundle, reference: Reference, tmp_path_factory: pytest.TempPathFactory
) -> None:
    source = open_source("digits")
    passes = FeaturePass(digits_bundle, reference)
    many = passes.read(source.pixels(range(70)))
    alone = passes.read(source.pixels([66]))
    for name, values in vars(alone).items():
        assert np.allclose(values[0], getattr(many, name)[66], rtol=1e-3, atol=1e-4), name
    path = tmp_path_factory.mktemp("features") / "f.npz"
    many.save(path, "stamp")
    loaded = Features.load(path, "stamp")
    assert isinstance(loaded, Features)
    assert np.array_equal(loaded.w1, many.w1)
    assert Features.load(path, "another") is None
    path.write_bytes(b"damaged")
    assert Features.load(path, "stamp") is None


def test_one_layer_or_several(digits_bundle: Bundle, reference: Reference) -> None:
    dev = measured(digits_bundle, reference, "dev")
    layers = digits_bundle.layers
    late = LayerScores("w1-top", layers, ["dense_1"], "late").prepare(reference, dev)
    assert late.raw(dev).shape == (len(dev), 1)
    assert "dense_1" in late.about
    assert late.name == "late"
