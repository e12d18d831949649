"""The layer profile of a verdict, and where its score lies among benign ones."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ndcore.figures.detector.verdict import layer_profile, null_distribution
from ndcore.figures.style.palette import ATTACKED, BENIGN

INK = BENIGN["dark"]
FIGURES = {
    "profile": layer_profile(["a", "b"], {"benign": [1, 0.5], "attacked": [0.001, 0.0]}, 0.05, INK),
    "null": null_distribution(np.arange(50.0), {"attacked": 70.0}, 47.0, label="dog", ink=INK),
    "null without threshold": null_distribution(
        np.arange(3.0), {"benign": 1.0}, np.inf, label="dog", ink=INK
    ),
    "null of nothing": null_distribution(
        np.zeros(0), {"benign": 1.0}, np.inf, label="dog", ink=INK
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_they_are_valid_transparent_and_titled(name: str) -> None:
    figure = FIGURES[name]
    json.loads(figure.to_json())
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.title.text
    # A fixed text colour would vanish in one of the two themes.
    assert figure.layout.font.color is None


def test_benign_is_ink_and_attacked_red() -> None:
    colours = [line.line.color for line in FIGURES["profile"].data]
    assert colours == [INK, ATTACKED]


def test_threshold_is_drawn_only_where_there_is_one() -> None:
    names = [trace.name for trace in FIGURES["null"].data]
    assert any(name.startswith("threshold") for name in names)
    names = [trace.name for trace in FIGURES["null without threshold"].data]
    assert not any(name.startswith("threshold") for name in names)
