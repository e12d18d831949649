"""Levels of a layer over the epochs, and the lines of its exceptional units."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.figures.evolution.levels import Chosen, exceptional, level_shares, levels_figure
from ndcore.figures.style.palette import APART, rgba
from tests.plain_figure import plain


@pytest.mark.spec("DV-10")
def test_a_cell_is_the_share_of_units_at_a_level(rng: np.random.Generator) -> None:
    values = rng.random((50, 7))
    middles, shares = level_shares(values, 1.0)
    assert shares.shape == (20, 7)
    assert shares.sum(0) == pytest.approx(np.ones(7))
    assert middles[0] == pytest.approx(0.025)
    for epoch in range(7):
        counts, _ = np.histogram(values[:, epoch], np.linspace(0, 1, 21))
        assert shares[:, epoch] == pytest.approx(counts / 50)
    assert level_shares(np.ones((4, 2)), 1.0)[1][-1].tolist() == [1, 1]
    assert level_shares(np.zeros((4, 2)), 0.0)[1][0].tolist() == [1, 1]


@pytest.mark.spec("DV-11")
def test_few_units_have_a_line_each_and_many_only_the_exceptional_in_red(
    rng: np.random.Generator,
) -> None:
    values = 0.5 + 0.01 * rng.random((60, 9))
    values[7] = 0.9
    values[11, 3:] = 0.1
    values[20, 4] = 0.9  # apart at one epoch alone
    assert exceptional(values) == [7, 11]
    assert exceptional(values, most=1) == [7]
    assert exceptional(np.ones((6, 4))) == []

    def lines(count: int) -> list[dict]:
        drawing = levels_figure(
            np.arange(9),
            values[:count],
            metric="density",
            title="a layer",
            top=1.0,
            red=[7, 11],
            chosen=Chosen(2, "#000000"),
        )
        return [trace for trace in plain(drawing)["data"] if trace["type"] == "scatter"]

    assert len(lines(60)) == 3
    assert len(lines(20)) == 20
    red = [line for line in lines(60) if line["line"]["color"] == rgba(APART, 1)]
    assert sorted(line["customdata"][0][0] for line in red) == [7, 11]
