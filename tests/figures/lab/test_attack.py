"""Probabilities before and after an attack, and the course of its search."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ndcore.figures.lab.attack import probability_bars, search_course

CLASSES = [f"class {i}" for i in range(10)]
EVEN = np.full(10, 0.1, np.float32)
FIGURES = {
    "before": probability_bars(CLASSES, EVEN),
    "after": probability_bars(CLASSES, EVEN, np.eye(10, dtype=np.float32)[3], true=3),
    "course": search_course([(400, 0.9), (800, 0.4)], true="cat"),
    "course to a target": search_course([(400, 0.1)], target="dog"),
    "no course yet": search_course([]),
}


@pytest.mark.parametrize("name", FIGURES)
def test_they_are_valid_transparent_and_titled(name: str) -> None:
    figure = FIGURES[name]
    json.loads(figure.to_json())
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.title.text
    # A fixed text colour would vanish in one of the two themes.
    assert figure.layout.font.color is None


@pytest.mark.spec("AL-7")
def test_bars_name_both_winners_and_star_the_truth() -> None:
    figure = FIGURES["after"]
    assert "class 3 ★" in figure.data[0].y
    assert any("benign" in text for text in figure.data[0].text)
    assert "100.0%" in figure.data[1].text[3]
