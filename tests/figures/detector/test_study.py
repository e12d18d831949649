"""Figures of a study: ROC, waterfall, frontier, suspect map."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from ndcore.figures.detector.certified_curve import Level, certified_curve
from ndcore.figures.detector.frontier import Adversary, frontier
from ndcore.figures.detector.layer_auroc import layer_auroc
from ndcore.figures.detector.roc import operating_point, roc_figure
from ndcore.figures.detector.suspect_map import suspect_colours, suspect_legend
from ndcore.figures.detector.waterfall import waterfall
from ndcore.statistics.intervals import Rate, wilson


def test_the_roc_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    benign, attacked = rng.normal(size=200).round(1), rng.normal(1, 1, 100).round(1)
    figure = roc_figure({"ours": (benign, attacked)})
    json.loads(figure.to_json())
    labels = np.repeat([0, 1], [200, 100])
    fpr, tpr, _ = roc_curve(labels, np.concatenate([benign, attacked]), drop_intermediate=False)
    np.testing.assert_allclose(figure.data[0].y[1:-1], tpr[1:])
    np.testing.assert_allclose(figure.data[0].x[1:-1], np.maximum(fpr, 1e-3)[1:])


def test_the_threshold_is_a_point_of_the_curve() -> None:
    benign, attacked = np.arange(10.0), np.arange(5.0, 15.0)
    assert operating_point(benign, attacked, 7.5) == (0.2, 0.7)
    assert operating_point(benign, np.zeros(0), np.inf) == (0.0, 0.0)
    figure = roc_figure({"a": (benign, attacked), "b": (benign, benign)}, point=(0.2, 0.7))
    assert [trace.name for trace in figure.data] == ["a", "b", "chance", "threshold"]
    assert (figure.data[-1].x[0], figure.data[-1].y[0]) == (0.2, 0.7)
    assert len({trace.line.dash for trace in figure.data[:2]}) == 2, "not by colour alone"


def test_a_waterfall_adds_up() -> None:
    figure = waterfall(["a", "b"], [0.5, -0.2], total="score", title="Parts")
    assert figure.data[0].measure == ("relative", "relative", "total")
    assert figure.data[0].text[-1] == "0.300"
    json.loads(figure.to_json())


def test_the_frontier_shows_both_intervals() -> None:
    plain = Adversary("plain", Rate(400, 1600), Rate(396, 400), Rate(4, 1600), 77.4)
    quiet = Adversary("inconspicuous", Rate(40, 400), Rate(32, 40), Rate(8, 400), 196)
    figure = frontier([plain, quiet], alpha=0.05)
    json.loads(figure.to_json())
    assert figure.data[1].name == "inconspicuous: unnoticed 2.0%, 196 queries"
    assert figure.data[0].x[0] == 0.25
    assert figure.data[0].error_y.array[0] == pytest.approx(wilson(396, 400)[1] - 0.99)
    assert figure.data[0].error_x.arrayminus[0] == pytest.approx(0.25 - wilson(400, 1600)[0])
    assert len({trace.marker.symbol for trace in figure.data}) == 2


def test_what_is_proven_is_a_curve_and_a_rule_is_a_point() -> None:
    def level(allowed: float | None, alarms: int, certified: int) -> Level:
        return Level(allowed, Rate(alarms, 100), Rate(certified, 90))

    turn = [level(0.01, 1, 9), level(0.05, 5, 72)]
    figure = certified_curve({"turn": turn, "rule": [level(None, 4, 88)]})
    json.loads(figure.to_json())
    assert figure.data[0].x == (0.01, 0.05)
    assert figure.data[0].y == (0.1, 0.8)
    assert figure.data[0].text == ("allowed 1%", "allowed 5%")
    assert figure.data[0].customdata[1] == Rate(72, 90).interval()
    assert figure.data[1].mode == "markers"
    assert figure.data[1].text == ("no threshold",)
    assert figure.data[1].error_y.array[0] == pytest.approx(wilson(88, 90)[1] - 88 / 90)
    assert figure.data[0].line.dash != figure.data[1].line.dash


def test_suspects_are_bright_on_one_scale() -> None:
    suspicion = np.array([[0.0, 0.5], [-0.3, np.nan]])
    colours = suspect_colours(suspicion, 0.5)
    assert colours[0, 1, :3].sum() > colours[0, 0, :3].sum()
    assert (colours[1, 0] == colours[0, 0]).all(), "what gains is as harmless as what loses nothing"
    assert colours[..., 3].tolist() == [[255, 255], [255, 0]]
    assert (suspect_colours(suspicion, 1.0)[0, 1] != colours[0, 1]).any()
    assert "85.0 points" in suspect_legend(0.85, words="a <b>")
    assert "&lt;b&gt;" in suspect_legend(0.85, words="a <b>")


def test_layers_keep_their_order_and_gaps() -> None:
    curves = {"spatial": (["a", "b"], [0.9, None]), "w1": (["a", "b", "c"], [0.5, 0.6, 0.7])}
    figure = layer_auroc(curves)
    json.loads(figure.to_json())
    assert list(figure.layout.xaxis.categoryarray) == ["a", "b", "c"]
    assert figure.data[0].y == (0.9, None)
    assert len({trace.marker.symbol for trace in figure.data}) == 2
