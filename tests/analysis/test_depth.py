"""Depth profile: known answers on made-up readings, real ones on digits."""

from __future__ import annotations

import json

import numpy as np
import pytest
from torch import nn

from ndcore.activations.divergence import excess_w1, layer_divergence, pair_distance, top_mean
from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.reading import Reading
from ndcore.analysis.depth import DepthProfile, depth_profile, depth_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.detectors import Calibration, load_detector
from ndcore.detectors.calibration import Calibrated
from ndcore.figures.explorer.depth_profile import MEASURES, depth_figure
from ndcore.figures.style.palette import ATTACKED, BENIGN

CLASSES = ("cat", "dog", "frog")
LAYERS = ("first", "second", "third")
MIDDLES = (0.0, 10.0, 20.0)  # of the three classes, at every unit of every layer


class Toy(Calibrated):
    """Three layers of 4 units; a class's values are its middle -1 ... +1, evenly."""

    def __init__(self, peers: int = 8) -> None:
        spread = np.linspace(-1, 1, 101, dtype=np.float32)
        values = np.concatenate([middle + spread for middle in MIDDLES])[:, None].repeat(4, 1)
        labels = np.arange(3).repeat(101)
        self.counted = ClassHistograms.empty(3, values).update(values, labels)
        counts = {(layer, "value"): self.counted for layer in LAYERS}
        super().__init__(nn.Identity(), LAYERS, ("a", "b", "c"), (1, 1, 1), counts)
        self.peers = peers

    @property
    def calibrations(self) -> dict[str, Calibration]:
        scores = np.linspace(0, 7, self.peers, dtype=np.float32)[:, None].repeat(3, 1)
        predicted = np.zeros(self.peers, np.int64)
        return {"wasserstein": Calibration(scores[:, 0], predicted, scores, scores)}


def reading(places: list[list[float]], predicted: list[int], second: list[int]) -> Reading:
    """Images whose units all have one value per layer: places[image][layer]."""
    logits = np.zeros((len(places), 3), np.float32)
    for i, (first, runner_up) in enumerate(zip(predicted, second, strict=True)):
        logits[i, first], logits[i, runner_up] = 2, 1
    values = np.array(places, np.float32)
    activations = {
        (layer, "value"): values[:, j : j + 1].repeat(4, 1) for j, layer in enumerate(LAYERS)
    }
    return Reading(logits, activations)


def profile_of(
    benign: list[float], attacked: list[float], true: int | None = 0, after: int = 1
) -> DepthProfile:
    second = [1, 0 if after else 1]
    return depth_profile(Toy(), reading([benign, attacked], [0, after], second), true)  # type: ignore[arg-type]


def test_the_layer_score_is_the_detectors(digits_bundle: Bundle) -> None:
    detector = load_detector(digits_bundle)
    read = digits_bundle.read(open_source("digits").pixels(list(range(6))))
    wanted = detector.layer_scores(read)
    for i in range(6):
        alone = digits_bundle.read(open_source("digits").pixels([i]))
        found = depth_profile(digits_bundle, alone)
        label = int(read.predicted[i])
        np.testing.assert_allclose(found.score(0, label), wanted[i], rtol=1e-4, atol=1e-5)


def test_layer_divergence_is_the_mean_of_the_top_units(rng: np.random.Generator) -> None:
    toy = Toy().counted
    values = rng.normal(5, 3, (6, 4)).astype(np.float32)
    for label in range(3):
        wanted = top_mean(excess_w1(values, toy, label))
        np.testing.assert_array_equal(layer_divergence(values, toy, label), wanted)
    at_middle = np.full((1, 4), MIDDLES[1], np.float32)
    assert layer_divergence(at_middle, toy, 1)[0] == pytest.approx(0, abs=0.1)
    assert layer_divergence(at_middle, toy, 0)[0] > 5


def test_the_distance_of_two_images_of_a_class(rng: np.random.Generator) -> None:
    values = np.maximum(rng.normal(0.3, 1, (300, 5)), 0).astype(np.float32)
    counted = ClassHistograms.empty(1, values).update(values, np.zeros(300, np.int64))
    wanted = np.abs(values[:, None] - values[None]).mean((0, 1))
    width = (counted.hi - counted.lo) / 256
    assert (np.abs(pair_distance(counted, 0) - wanted) < width).all()


def test_the_turning_point_is_the_first_layer_that_lasts() -> None:
    assert profile_of([0, 0, 0], [0, 9, 9]).turning_point == "second"
    assert profile_of([0, 0, 0], [9, 9, 9]).turning_point == "first"
    assert profile_of([0, 0, 0], [9, 0, 9]).turning_point == "third", "a visit is no turn"
    assert profile_of([0, 9, 0], [9, 9, 9]).turning_point == "third", "benign was there too"
    assert profile_of([0, 0, 0], [9, 9, 0]).turning_point is None
    assert profile_of([0, 0, 9], [9, 9, 9]).turning_point is None


def test_the_parting_is_where_the_change_outgrows_the_class() -> None:
    found = profile_of([0, 0, 0], [0.01, 3, 2])
    assert found.parting == "second"
    # Two values spread evenly over [-1, 1] lie 2/3 apart on average.
    np.testing.assert_allclose(found.change, [0.015, 4.5, 3], rtol=0.05)
    assert profile_of([0, 0, 0], [3, 0.01, 3]).parting == "third"
    assert profile_of([0, 0, 0], [3, 3, 0.01]).parting is None


def test_nothing_is_claimed_where_nothing_can_be() -> None:
    failed = profile_of([0, 0, 0], [0, 1, 1], after=0)
    assert failed.turning_point is None
    assert "still taken for its true class cat" in depth_sentence(failed, CLASSES)
    unknown = profile_of([0, 0, 0], [9, 9, 9], true=None)
    assert unknown.turning_point is None
    assert "true class is unknown" in depth_sentence(unknown, CLASSES)
    nowhere = profile_of([0, 0, 0], [9, 9, 1])
    assert "attacked image lies no nearer to dog than to cat" in depth_sentence(nowhere, CLASSES)
    both = profile_of([0, 0, 9], [9, 9, 9])
    assert "benign image lies nearer to dog than to cat too" in depth_sentence(both, CLASSES)
    same = profile_of([0, 0, 0], [0, 0, 0])
    assert same.change == (0, 0, 0)
    assert "never part for good" in depth_sentence(same, CLASSES)
    alone = depth_profile(Toy(), reading([[0, 0, 0]], [0], [2]), 0)  # type: ignore[arg-type]
    assert (alone.images, alone.change, alone.parting) == (("benign",), (), None)
    assert alone.turning_point is None
    assert "No image was attacked" in depth_sentence(alone, CLASSES)


def test_the_sentence_has_the_numbers() -> None:
    found = profile_of([0, 0, 0], [0.01, 9, 9])
    told = depth_sentence(found, CLASSES)
    assert told.endswith(".")
    assert "part at second" in told
    assert f"{min(found.change[1:]):.2f} to {max(found.change[1:]):.2f} times as much" in told
    assert "from second on the attacked image lies nearer to dog than to cat" in told
    near, far = found.score(1, 1)[-1], found.score(1, 0)[-1]
    assert f"({near:.2f} against {far:.2f} class spreads at third)" in told


def test_roles_of_a_class_are_joined() -> None:
    found = profile_of([0, 0, 0], [9, 9, 9])
    assert found.roles(0) == {0: ("predicted", "true"), 1: ("runner-up",)}
    assert found.roles(1) == {1: ("predicted",), 0: ("true", "runner-up")}
    assert found.labels == (0, 1)
    third = depth_profile(Toy(), reading([[0, 0, 0]], [1], [2]), 0)  # type: ignore[arg-type]
    assert list(third.roles(0).values()) == [("predicted",), ("true",), ("runner-up",)]


def test_percentiles_count_calibration_images_of_that_predicted_class() -> None:
    found = profile_of([0, 0, 0], [0, 9, 9])
    scores = found.score(1, 0)
    peers = np.linspace(0, 7, 8)
    wanted = [100 * float((peers < score).mean()) for score in scores]
    np.testing.assert_allclose(found.percentile(1, 0), wanted)
    assert np.isnan(found.percentile(1, 1)).all(), "no calibration image is taken for a dog"


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("theme", BENIGN)
def test_the_figure_shows_every_layer_line_and_mark(measure: str, theme: str) -> None:
    found = profile_of([0, 0, 0], [0.01, 9, 9])
    figure = depth_figure(found, CLASSES, BENIGN[theme], measure)
    json.loads(figure.to_json())
    assert list(figure.layout.xaxis.ticktext) == list(LAYERS)
    assert figure.layout.font.color is None
    assert len(figure.data) == 4
    looks = {(t.line.dash, t.marker.symbol, t.line.color) for t in figure.data}
    assert len(looks) == 4
    assert {t.line.color for t in figure.data} == {ATTACKED, BENIGN[theme]}
    assert all(
        t.marker.symbol.startswith("diamond") == (t.line.color == ATTACKED) for t in figure.data
    )
    assert [note.text for note in figure.layout.annotations] == ["parting", "turning point"]
    assert [shape.x0 for shape in figure.layout.shapes] == [1, 1]


def test_the_figure_of_one_image_has_no_marks() -> None:
    alone = depth_profile(Toy(0), reading([[0, 0, 0]], [0], [2]), None)  # type: ignore[arg-type]
    figure = depth_figure(alone, CLASSES, BENIGN["light"], "percentile")
    json.loads(figure.to_json())
    assert len(figure.data) == 2
    assert not figure.layout.annotations
    assert figure.layout.yaxis.domain == (0, 1), "no room is kept for names of marks"
    assert "none to compare with" in figure.data[0].customdata[0]
