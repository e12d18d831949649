"""The vulnerability map tells the probability of the very colour it names."""

from __future__ import annotations

import numpy as np

from ndcore.attacks import VulnerabilityMap
from pages.ui.lab.grid_map import map_rows, precision_words

CLASSES = ("cat", "dog", "frog")
COLOURS = np.array([[0], [255]], np.uint8)


def made(points: list[list[list[float]]], confirmed: bool = True) -> VulnerabilityMap:
    """A map (1, W, 2 colours, 3 classes) from probabilities; true class cat."""
    logits = np.log(np.array([points], np.float32))
    return VulnerabilityMap(0, COLOURS, logits, np.full(logits.shape[:3], confirmed))


def test_without_a_flip_the_worst_colour_is_that_of_the_lowest_probability() -> None:
    # The first colour has the smaller margin, the second the lower probability of cat.
    found = made([[[0.50, 0.45, 0.05], [0.40, 0.30, 0.30]]])
    assert found.best_colour[0, 0] == 0
    worst, probability = found.worst
    assert worst[0, 0] == 1
    np.testing.assert_allclose(probability, 0.4, atol=1e-6)
    np.testing.assert_allclose(probability, found.lowest, atol=1e-6)


def test_with_a_flip_the_worst_colour_flips_and_its_own_probability_is_told() -> None:
    # The second colour has the lower probability of cat, but cat still wins.
    found = made([[[0.42, 0.55, 0.03], [0.36, 0.33, 0.31]]])
    worst, probability = found.worst
    assert worst[0, 0] == 0
    np.testing.assert_allclose(probability, 0.42, atol=1e-6)
    row = map_rows(found, CLASSES).iloc[0]
    assert row["worst colour"] == "grey 0"
    assert abs(row["probability of cat with it"] - 0.42) < 1e-6
    assert row["flips to"] == "dog"


def test_what_was_not_tried_has_no_probability() -> None:
    found = made([[[0.5, 0.4, 0.1], [0.6, 0.3, 0.1]], [[0.5, 0.4, 0.1], [0.6, 0.3, 0.1]]])
    found.logits[0, 1] = np.nan
    worst, probability = found.worst
    assert worst.shape == (1, 2)
    assert np.isfinite(probability).tolist() == [[True, False]]
    assert len(map_rows(found, CLASSES)) == 1


def test_screened_points_are_told_with_those_beyond_a_flip() -> None:
    points = [[[0.1, 0.8, 0.1], [0.9, 0.05, 0.05]]]
    assert precision_words(made(points)) == ""
    told = precision_words(made(points, confirmed=False))
    assert "2 of 2 points, 1 of them a flip, were screened" in told
    assert "rounded" in told
