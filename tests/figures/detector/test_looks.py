"""Pictures of p-values and of frozen hypotheses: what is drawn is what was given."""

from __future__ import annotations

import numpy as np

from ndcore.figures.detector.looks import Look, frozen_figure
from ndcore.figures.detector.p_values import BINS, p_histogram
from ndcore.figures.style.palette import ATTACKED, BENIGN


def test_p_values_are_counted_in_bins_that_end_at_the_threshold() -> None:
    benign = np.array([0.05, 0.051, 1.0, 1 / 1000])
    figure = p_histogram(
        {"benign": benign, "attacked": np.array([0.01]), "unknown": []}, 0.05, BENIGN["light"]
    )
    bars = {trace.name: trace for trace in figure.data}
    assert set(bars) == {"benign (4)", "attacked (1)"}
    counts = np.array(bars["benign (4)"].customdata)[:, 0]
    assert counts[0] == 2  # 0.05 is an alarm at 5%
    assert counts[1] == 1
    assert counts[-1] == 1
    assert bars["benign (4)"].marker.color == BENIGN["light"]
    assert bars["attacked (1)"].marker.color == ATTACKED
    assert counts.sum() == 4
    assert sum(bars["attacked (1)"].y) == 1
    assert len(counts) == BINS


def test_both_figures_of_a_look_stand_in_its_row() -> None:
    looks = [
        Look("1 · w1-top, dense_1", (0.9, 0.85, 0.95), (0.8, 0.7, 0.88)),
        Look("2 · a name much longer than the room that the axis has", (0.6, 0.5, 0.7), (0.5,) * 3),
    ]
    figure = frozen_figure(looks)
    dev, held = figure.data[:2]
    assert list(dev.x) == [0.9, 0.6]
    assert list(held.x) == [0.8, 0.5]
    assert np.allclose(held.error_x.arrayminus, [0.1, 0])
    assert [round(y) for y in (*dev.y, *held.y)] == [0, 1, 0, 1]
    assert dev.marker.symbol != held.marker.symbol
    assert figure.layout.yaxis.ticktext[1].endswith("…")
