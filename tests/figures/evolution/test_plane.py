"""Kinds of units on the plane, and rows of their pictures."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ndcore.figures.evolution.plane import plane_figure, radii
from ndcore.figures.evolution.tiles import PictureRow, picture_rows
from tests.plain_figure import plain

PNG = b"\x89PNG"


@pytest.mark.spec("DV-15", "DV-16")
def test_a_cluster_is_a_circle_with_its_average_at_the_centre() -> None:
    places = np.array([[0.0, 0], [1, 0], [0, 1], [5, 5]])
    labels, centres = np.array([0, 0, 0, 1]), np.array([[1 / 3, 1 / 3], [5, 5]])
    sizes = np.array([3, 1])
    reach = radii(sizes, 5.0)
    assert reach[0] / reach[1] == pytest.approx(np.sqrt(3))
    drawing = plane_figure(
        SimpleNamespace(places=places, labels=labels, centres=centres, sizes=sizes),
        title="units",
        group="cluster",
        tips=list("abcd"),
        pictures=[PNG, None],
        ink="#000000",
        chosen=3,
    )
    figure = plain(drawing)
    first, second = figure["layout"]["shapes"]
    assert (first["x1"] - first["x0"]) / 2 == pytest.approx(reach[0])
    assert (second["x0"] + second["x1"]) / 2 == pytest.approx(5)
    (image,) = figure["layout"]["images"]
    assert image["x"] == pytest.approx(1 / 3)
    dots = [trace for trace in figure["data"] if trace.get("customdata") is not None]
    assert [trace["name"] for trace in dots] == ["cluster 1 (3)", "cluster 2 (1)"]
    assert dots[0]["marker"]["color"] != dots[1]["marker"]["color"]
    assert dots[0]["marker"]["symbol"] != dots[1]["marker"]["symbol"]


@pytest.mark.spec("DV-18")
def test_a_unit_is_a_row_of_its_average_and_patches() -> None:
    row = PictureRow("neuron <3>", PNG, [PNG] * 5, "12 of 20 patches are cat", "#ff0000")
    found = picture_rows([row, PictureRow("neuron 4", None, [], "dead")])
    assert found.count("<img ") == 6
    assert 'alt="neuron &lt;3&gt;: average"' in found
    assert 'alt="neuron &lt;3&gt;: patch 5"' in found
    assert "no average" in found
