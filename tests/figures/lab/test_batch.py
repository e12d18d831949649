"""The matrix and the success curve of a batch count what they are given."""

from __future__ import annotations

import json

import numpy as np
import plotly.graph_objects as go
import pytest

from ndcore.figures.lab.batch import HELD, class_matrix, count_outcomes, success_curve

CLASSES = ("cat", "dog", "frog <b>")


@pytest.mark.spec("AL-10")
def test_outcomes_are_counted_by_true_class_and_failures_apart() -> None:
    counts = count_outcomes([0, 0, 1, 2], [1, 1, 0, 2], [True, True, True, False], 3)
    assert counts.tolist() == [[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    figure = class_matrix(counts, CLASSES, title="T")
    assert [list(cell) for cell in figure.data[1].customdata] == [[0, 1, 2], [1, 0, 1], [2, 3, 1]]
    assert figure.data[0].x[-1] == HELD
    assert figure.data[0].text[0][1] == "2"
    assert np.isnan(figure.data[0].z).tolist() == (counts == 0).tolist()
    assert HELD not in class_matrix(counts, CLASSES, title="T", held=False).data[0].x


def test_a_chosen_cell_is_framed() -> None:
    counts = count_outcomes([0, 2], [1, 0], [True, True], 3)
    assert not class_matrix(counts, CLASSES, title="T").layout.shapes
    assert not class_matrix(counts, CLASSES, title="T", marked=(1, 1)).layout.shapes
    frame = class_matrix(counts, CLASSES, title="T", marked=(2, 0)).layout.shapes[0]
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (-0.5, 0.5, 1.5, 2.5)


def test_of_many_classes_only_those_that_occur_are_drawn() -> None:
    counts = np.zeros((40, 41), np.int64)
    counts[7, 9] = 4
    figure = class_matrix(counts, [f"c{i}" for i in range(40)], title="T")
    assert figure.data[0].y == ("c7",)
    assert figure.data[0].x == ("c9",)


def test_the_success_curve_counts_failures() -> None:
    figure = success_curve([64, 10], attacked=4, most=800)
    assert list(figure.data[0].x) == [1, 10, 64, 800]
    assert list(figure.data[0].y) == [0, 0.25, 0.5, 0.5]


@pytest.mark.parametrize(
    "figure",
    [
        success_curve([], attacked=0, most=0),
        class_matrix(np.zeros((3, 4), np.int64), CLASSES, title="nothing"),
    ],
)
def test_figures_of_nothing_are_valid_and_transparent(figure: go.Figure) -> None:
    json.loads(figure.to_json())
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.font.color is None
    assert figure.layout.title.text
