"""Where the name of a class stands beside one of its dots: clear of dots and of other names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The plot on a narrow page and on a wide one, in CSS pixels: one spot has to serve both.
PLOTS = ((320.0, 360.0), (620.0, 420.0))
LETTER, LINE = 6.6, 15.0  # of a name, in CSS pixels
GAP = 3.0  # between a dot and its name
SIDES = ((0, 1), (0, -1), (1, 0), (-1, 0))  # above first, then below, right and left
SMALLER = 6.0  # what a dot one pixel smaller than the class's largest costs, in square pixels
_Boxes = NDArray[np.float64]  # (n, 4): left, right, low, high


class Spot(NamedTuple):
    """A name's place: beside this node, so many CSS pixels right of its middle and above it."""

    node: int
    right: float
    up: float


def name_spots(
    places: NDArray[np.floating],
    diameters: NDArray[np.floating],
    nodes: Sequence[NDArray[np.integer]],
    names: Sequence[str],
) -> list[Spot]:
    """For each name the spot at which it covers least, the larger classes first.

    Args:
        places: (nodes, 2).
        diameters: (nodes,), in CSS pixels.
        nodes: of each name, at least one.
        names: as they are read.
    """
    plots = [_on_plot(places, plot) for plot in PLOTS]
    dots = [_around(centres, diameters[:, None] / 2) for centres in plots]
    found: dict[int, Spot] = {}
    for at in sorted(range(len(names)), key=lambda each: -float(diameters[nodes[each]].max())):
        half = np.array([LETTER * len(names[at]) / 2, LINE / 2])
        rows = np.asarray(nodes[at])
        spots = [
            Spot(int(node), *(np.array(side) * (diameters[node] / 2 + GAP + half)).tolist())
            for node in rows
            for side in SIDES
        ]
        small = diameters[rows].max() - diameters[rows].repeat(len(SIDES))
        cost = SMALLER * small + np.tile(np.arange(len(SIDES)), len(rows))
        shifts = np.array([(spot.right, spot.up) for spot in spots])
        boxes = [_around(each[[spot.node for spot in spots]] + shifts, half) for each in plots]
        for box, taken, (width, _) in zip(boxes, dots, PLOTS, strict=True):
            beyond = np.maximum(0, -box[:, 0]) + np.maximum(0, box[:, 1] - width)
            cost += _covered(box, taken) + LINE * beyond
        best = int(cost.argmin())
        found[at] = spots[best]
        dots = [np.vstack([taken, box[best]]) for box, taken in zip(boxes, dots, strict=True)]
    return [found[at] for at in range(len(names))]


def _on_plot(places: NDArray[np.floating], plot: tuple[float, float]) -> NDArray[np.float64]:
    low = places.min(0)
    span = np.maximum(places.max(0) - low, 1e-9)
    # (plotly leaves about a twentieth free at each end)
    return np.asarray((0.05 + 0.9 * (places - low) / span) * np.array(plot), np.float64)


def _around(centres: NDArray[np.float64], half: NDArray[np.floating]) -> _Boxes:
    half = np.broadcast_to(half, centres.shape)
    ends = [centres[:, axis] + sign * half[:, axis] for axis in (0, 1) for sign in (-1, 1)]
    return np.stack(ends, 1)


def _covered(boxes: _Boxes, taken: _Boxes) -> NDArray[np.float64]:
    """Area, in square pixels, that each box shares with those taken."""
    one, two = boxes[:, None], taken[None]
    width = np.minimum(one[..., 1], two[..., 1]) - np.maximum(one[..., 0], two[..., 0])
    height = np.minimum(one[..., 3], two[..., 3]) - np.maximum(one[..., 2], two[..., 2])
    area: NDArray[np.float64] = (np.maximum(0, width) * np.maximum(0, height)).sum(1)
    return area
