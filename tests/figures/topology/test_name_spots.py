"""A class's name stands clear of all dots, on a narrow plot and on a wide one."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.figures.topology.name_spots import GAP, LETTER, LINE, PLOTS, Spot, name_spots


def covered(places: np.ndarray, spot: Spot, name: str, size: float, plot: int) -> int:
    """How many dots of one size a name touches."""
    low, high = places.min(0), places.max(0)
    centres = (0.05 + 0.9 * (places - low) / (high - low)) * np.array(PLOTS[plot])
    middle = centres[spot.node] + (spot.right, spot.up)
    reach = np.array([LETTER * len(name), LINE]) / 2 + size / 2
    return int((np.abs(centres - middle) < reach - 1e-6).all(1).sum())


def test_a_name_stands_above_the_largest_dot_where_nothing_is() -> None:
    places, sizes = np.array([[0.0, 0], [1, 1]]), np.array([10.0, 20])
    (spot,) = name_spots(places, sizes, [np.array([0, 1])], ["cat"])
    assert spot == Spot(1, 0.0, 10 + GAP + LINE / 2)


@pytest.mark.parametrize("plot", range(len(PLOTS)))
def test_names_of_crowded_classes_cover_no_dot_and_one_another_not(plot: int) -> None:
    # Two rows close to one another: between them is no room, above and below them is.
    along = np.linspace(0, 1, 12)
    places = np.concatenate([np.column_stack([along, np.full(12, y)]) for y in (0, 0.45, 0.5, 1)])
    nodes = [np.arange(12, 24), np.arange(24, 36)]
    names = ["automobile", "airplane"]
    spots = name_spots(places, np.full(48, 18.0), nodes, names)
    for spot, own, name in zip(spots, nodes, names, strict=True):
        assert spot.node in own
        assert covered(places, spot, name, 18.0, plot) == 0
    assert spots[0].up < 0 < spots[1].up
