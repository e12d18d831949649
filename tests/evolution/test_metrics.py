"""Deep View's metrics against slow transcriptions of the paper's formulas."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ndcore.errors import BadRequestError
from ndcore.evolution.layers import WatchedLayer
from ndcore.evolution.metrics import (
    between_classes,
    blocks,
    density,
    discriminability,
    layer_value,
    paper_factor,
    unit_distances,
)
from ndcore.evolution.rules import RULES, warnings_of
from ndcore.evolution.trends import change_after, correlations, lowered_after
from ndcore.training.recipes import recipe


def slow_w2(a: np.ndarray, b: np.ndarray, mean: bool = False) -> float:
    total = 0.0
    for x, y in zip(sorted(a.tolist()), sorted(b.tolist()), strict=True):
        total += (x - y) ** 2
    return math.sqrt(total / len(a) if mean else total)


def slow_discriminability(of_unit: list[np.ndarray], mean: bool = False) -> float:
    classes = range(len(of_unit))
    if mean:
        pairs = [(i, j) for i in classes for j in classes if i < j]
    else:
        pairs = [(i, j) for i in classes for j in classes]
    return sum(slow_w2(of_unit[i], of_unit[j], mean) for i, j in pairs) / len(pairs)


@pytest.fixture
def activations(rng: np.random.Generator) -> np.ndarray:
    """(classes, images, units, w, h)"""
    return rng.normal(0.3, 1, (4, 5, 3, 2, 3)) + rng.normal(0, 1, (4, 1, 3, 1, 1))


def by_class(activations: np.ndarray) -> np.ndarray:
    classes, _, units = activations.shape[:3]
    return activations.transpose(0, 2, 1, 3, 4).reshape(classes, units, -1)


@pytest.mark.spec("DV-1")
def test_discriminability_is_the_mean_over_pairs_of_classes(activations: np.ndarray) -> None:
    for unit in range(3):
        of_unit = [activations[c, :, unit].ravel() for c in range(4)]
        for variant, mean in (("paper", False), ("normalised", True)):
            found = discriminability(by_class(activations), variant)[unit]
            assert found == pytest.approx(slow_discriminability(of_unit, mean), rel=1e-12)


@pytest.mark.spec("DV-2")
def test_distance_is_the_root_of_summed_squares_of_sorted_samples(
    rng: np.random.Generator,
) -> None:
    for a, b in rng.normal(0, 1, (7, 2, 11)):
        two_classes = np.stack([a, b])[:, None]
        paper, normalised = (discriminability(two_classes, v)[0] for v in ("paper", "normalised"))
        assert 2 * paper == pytest.approx(slow_w2(a, b), rel=1e-12)
        assert normalised == pytest.approx(slow_w2(a, b, mean=True), rel=1e-12)
        assert discriminability(np.stack([a, rng.permuted(a)])[:, None])[0] == 0
        assert discriminability(np.stack([a, a + 2])[:, None], "normalised") == pytest.approx(2)
        with pytest.raises(BadRequestError, match="'half'"):
            discriminability(two_classes, "half")


@pytest.mark.spec("DV-3")
def test_samples_are_all_positions_of_all_images(activations: np.ndarray) -> None:
    samples = by_class(activations)
    assert samples.shape == (4, 3, 2 * 3 * 5)
    factor = paper_factor(samples.shape[2], 4)
    paper, normalised = (discriminability(samples, v) for v in ("paper", "normalised"))
    assert paper == pytest.approx(normalised * factor)
    ordered = np.sort(samples, axis=-1)
    assert (discriminability(ordered, in_order=True) == paper).all()


@pytest.mark.spec("DV-4")
def test_density_clamps_the_spatial_mean_of_each_image(activations: np.ndarray) -> None:
    images = activations.reshape(20, 3, 6)
    for unit in range(3):
        total = 0.0
        for image in images[:, unit]:
            mean = sum(image.tolist()) / 6
            total += 0 if mean < 0 else 1 if mean > 1 else mean
        assert density(images)[unit] == pytest.approx(total / 20, rel=1e-12)
        assert density(images.mean(-1))[unit] == pytest.approx(total / 20, rel=1e-12)


@pytest.mark.spec("DV-5")
def test_variance_between_classes(rng: np.random.Generator) -> None:
    spread, classes = np.linspace(-1, 1, 16), np.arange(10)
    even = np.tile(spread, (10, 1))
    apart = spread + classes[:, None]
    found = between_classes(np.stack([even, apart, 0 * even], axis=1))
    share = classes.var() / (classes.var() + spread.var())
    assert found == pytest.approx([0, share, 0])
    samples = rng.normal(3, 2, (10, 4, 16))
    expected = samples.mean(2).var(0) / samples.var(axis=(0, 2))
    assert between_classes(samples) == pytest.approx(expected)


def test_a_layer_is_the_mean_of_its_units(rng: np.random.Generator) -> None:
    units = rng.random((6, 4))
    assert layer_value(units) == pytest.approx([sum(units[:, e]) / 6 for e in range(4)])


@pytest.mark.spec("DV-13")
def test_unit_distance_sums_classes(activations: np.ndarray) -> None:
    ordered = np.sort(by_class(activations), axis=-1)
    found, paper = unit_distances(ordered), unit_distances(ordered, ordered.shape[2])
    for p in range(3):
        for q in range(3):
            pairs = [(activations[c, :, p].ravel(), activations[c, :, q].ravel()) for c in range(4)]
            assert paper[p, q] == pytest.approx(sum(slow_w2(a, b) for a, b in pairs))
            assert found[p, q] == pytest.approx(sum(slow_w2(a, b, mean=True) for a, b in pairs))


def test_blocks_keep_most_of_a_distance(rng: np.random.Generator) -> None:
    ordered = np.sort(rng.gamma(2, 1, (3, 4, 320)) * rng.random((3, 4, 1)), axis=-1)
    short = blocks(ordered, 16)
    assert short.shape == (3, 4, 16)
    assert short.mean(-1) == pytest.approx(ordered.mean(-1))
    exact, near = unit_distances(ordered), unit_distances(short)
    assert (near <= exact + 1e-12).all()
    assert near == pytest.approx(exact, rel=0.12)


def layer(kind: str) -> WatchedLayer:
    return WatchedLayer("layer", 1, kind, 4, (2, 2))


def measures(epochs: int = 12, **changed: np.ndarray) -> dict[str, np.ndarray]:
    calm = {
        "discriminability": np.tile(np.linspace(1, 2, epochs), (4, 1)),
        "density": np.full((4, epochs), 0.2),
        "active": np.full((4, epochs), 0.3),
        "saturation": np.zeros((4, epochs)),
    }
    return calm | changed


EPOCHS = np.arange(1, 13)
LEARNING = np.tile(np.linspace(1, 2, 12), (3, 1))


def test_a_calm_layer_is_not_warned_of() -> None:
    for kind in ("relu", "conv", "sigmoid", "pool"):
        assert warnings_of(layer(kind), EPOCHS, measures(), LEARNING) == []


@pytest.mark.spec("DV-23", "OM-4")
@pytest.mark.parametrize("kind", ["relu", "tanh", "other"])
def test_dead_units_are_those_that_do_not_vary(kind: str) -> None:
    samples = np.random.default_rng(0).normal(size=(3, 4, 20))  # signed: half are below 0
    samples[:, :2] = 0 if kind == "relu" else -0.7
    spread = measures()["discriminability"]
    spread[:, 8:] = discriminability(samples)[:, None]
    dead, *others = warnings_of(layer(kind), EPOCHS, measures(discriminability=spread), LEARNING)
    assert (dead.rule, dead.epochs, dead.value) == ("dead", (9, 10, 11, 12), 0.5)
    assert {other.rule for other in others} <= {"stagnant"}
    silent = measures(active=np.zeros((4, 12)))  # never positive, but they vary
    assert warnings_of(layer(kind), EPOCHS, silent, LEARNING) == []
    told = warnings_of(layer("conv"), EPOCHS, measures(discriminability=spread), LEARNING)
    assert "dead" not in {other.rule for other in told}


@pytest.mark.spec("DV-24")
def test_too_sparse_and_too_dense_are_warned_of_at_the_first_epoch() -> None:
    density = np.full((4, 12), 0.2)
    density[:, 0], density[:, 1] = 0.01, 0.9
    sparse, dense = warnings_of(layer("relu"), EPOCHS, measures(density=density), LEARNING)
    assert (sparse.rule, sparse.epochs) == ("too sparse", (1,))
    assert (dense.rule, dense.epochs) == ("too dense", (2,))
    (early,) = warnings_of(
        layer("relu"), EPOCHS[:1], measures(1, density=density[:, :1]), LEARNING[:, :1]
    )
    assert early.rule == "too sparse"


@pytest.mark.spec("DV-25")
def test_stagnant_windows() -> None:
    spread = np.tile(np.concatenate([np.linspace(1, 2, 5), np.full(7, 2.0)]), (4, 1))
    (stagnant,) = warnings_of(layer("pool"), EPOCHS, measures(discriminability=spread), LEARNING)
    assert (stagnant.rule, stagnant.epochs) == ("stagnant", tuple(range(5, 13)))
    assert warnings_of(layer("pool"), EPOCHS[:4], measures(4), LEARNING[:, :4]) == []
    # A network that has converged stands still as a whole: nothing to warn of.
    assert warnings_of(layer("pool"), EPOCHS, measures(discriminability=spread), spread) == []


@pytest.mark.spec("DV-26")
def test_density_tied_to_discriminability_is_a_correlation(rng: np.random.Generator) -> None:
    a = rng.random((3, 9))
    b = np.stack([2 * a[0] + 1, -a[1], rng.random(9)])
    found = correlations(a, b)
    assert found[:2] == pytest.approx([1, -1])
    assert found[2] == pytest.approx(np.corrcoef(a[2], b[2])[0, 1])
    assert np.isnan(correlations(np.ones((1, 9)), b[:1])).all()
    assert np.isnan(correlations(a[:, :1], b[:, :1])).all()


@pytest.mark.spec("DV-27")
def test_saturated_sigmoids() -> None:
    full = np.full((4, 12), 0.8)
    (saturated,) = warnings_of(layer("sigmoid"), EPOCHS, measures(saturation=full), LEARNING)
    assert (saturated.rule, len(saturated.epochs)) == ("saturated", 12)
    assert warnings_of(layer("relu"), EPOCHS, measures(saturation=full), LEARNING) == []


@pytest.mark.spec("DV-22")
def test_what_changes_when_the_learning_rate_is_lowered() -> None:
    config = recipe("lenet")
    assert lowered_after(config.rates, config.epochs) == (30, 40)
    assert lowered_after(config.rates, 9) == (6, 8)
    assert lowered_after(recipe("digits-cnn").rates, 20) == ()
    epochs = np.arange(1, 46)
    values = np.stack([np.where(epochs <= 30, 2.0, 1.5), np.full(45, 3.0), np.zeros(45)])
    change = change_after(values, epochs, 30)
    assert change[:2] == pytest.approx([-0.25, 0])
    assert np.isnan(change[2])
    assert np.isnan(change_after(values[:, :20], epochs[:20], 30)).all()


def test_rules_are_told_in_words() -> None:
    assert {rule.name for rule in RULES} == {
        "dead",
        "too sparse",
        "too dense",
        "saturated",
        "stagnant",
    }
    for rule in RULES:
        figure = "half" if rule.name in ("dead", "saturated") else f"{rule.threshold:g}"
        assert figure in rule.sentence or f"{100 * rule.threshold:g}%" in rule.sentence
