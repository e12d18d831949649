"""Plotly reads tags in its texts: a name that holds some is escaped in every figure."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest

from ndcore.figures.detector.clamp import clamp_course
from ndcore.figures.detector.verdict import null_distribution
from ndcore.figures.lab.attack import probability_bars, search_course
from ndcore.figures.lab.batch import class_matrix
from tests.plain_figure import plain

NAME = "a<u>"
FIGURES = {
    "probabilities": probability_bars([NAME, "b"], np.eye(2)[0], np.eye(2)[1], true=0),
    "search": search_course([(1, 0.5)], true=NAME),
    "search for a target": search_course([(1, 0.5)], target=NAME),
    "matrix": class_matrix(np.ones((2, 3), np.int64), [NAME, "b"], title="T"),
    "benign scores": null_distribution(np.arange(3.0), {}, 1.0, label=NAME, ink="#000000"),
    "clamps": clamp_course([1], [0.5], [np.zeros(2)], label=NAME, before=1.0),
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_names_are_text(figure: go.Figure) -> None:
    told = str(plain(figure))
    assert "a&lt;u&gt;" in told
    assert "<u>" not in told
