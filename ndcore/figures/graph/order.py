"""Order of the units inside the layers of a drawing, so that few edges cross.

The layers are known, so only the order inside each is free. Barycentre sweeps settle it: every
unit moves to the mean place of its neighbours in the layers before, then in those behind, to and
fro; the order with the least crossing is kept.

Reference: Sugiyama, Tagawa & Toda 1981, "Methods for visual understanding of hierarchical system
structures".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SWEEPS = 8  # down and up again


def least_crossing(
    layer: NDArray[np.integer],
    source: NDArray[np.integer],
    target: NDArray[np.integer],
    weight: NDArray[np.floating],
    band: NDArray[np.integer] | None = None,
) -> list[NDArray[np.intp]]:
    """Which units stand in each layer, from top to bottom.

    Args:
        layer: of each unit (n,), from 0.
        source, target: units that each edge joins (m,), the source in an earlier layer.
        weight: influence of each edge (m,), at least 0; heavy edges are kept straight first.
        band: of each unit (n,): units of a lower band stand above those of a higher one.

    Returns:
        Positions of units, a list for each layer up to the last one.
    """
    bands = np.zeros(len(layer), np.intp) if band is None else np.asarray(band)
    layers = [np.flatnonzero(layer == at) for at in range(int(layer.max(initial=-1)) + 1)]
    layers = [members[np.argsort(bands[members], kind="stable")] for members in layers]
    place = _places(layers, len(layer))
    best, least = layers, crossing(place, layer, source, target, weight)
    for sweep in range(2 * SWEEPS):
        down = sweep % 2 == 0
        here, there = (target, source) if down else (source, target)
        for at in range(len(layers)) if down else reversed(range(len(layers))):
            members = layers[at]
            wanted = _barycentres(place, members, here, there, weight)
            layers[at] = members[np.lexsort((place[members], wanted, bands[members]))]
            place[layers[at]] = _spread(len(members))
        found = crossing(place, layer, source, target, weight)
        if found < least:
            best, least = [members.copy() for members in layers], found
    return best


def crossing(
    place: NDArray[np.floating],
    layer: NDArray[np.integer],
    source: NDArray[np.integer],
    target: NDArray[np.integer],
    weight: NDArray[np.floating],
) -> float:
    """How much edges between the same two layers cross: the sum of the products of their weights.

    Args:
        place: of each unit in its layer (n,), growing from top to bottom.
        layer, source, target, weight: as in `least_crossing`.
    """
    total = 0.0
    pairs = np.stack([layer[source], layer[target]], axis=1)
    for pair in np.unique(pairs, axis=0):
        here = np.flatnonzero((pairs == pair).all(1))
        first, second, heavy = place[source[here]], place[target[here]], weight[here]
        apart = np.subtract.outer(first, first) * np.subtract.outer(second, second)
        total += float((np.outer(heavy, heavy) * (apart < 0)).sum()) / 2
    return total


def slots(
    layers: Sequence[NDArray[np.intp]], band: NDArray[np.integer], bands: int
) -> tuple[NDArray[np.float64], tuple[int, ...]]:
    """Heights of the units in rows of the drawing, centred within their band.

    Args:
        layers: as `least_crossing` returns them.
        band: of each unit (n,), below `bands`.
        bands: how many there are, one below the other.

    Returns:
        (rows from the top of each unit's middle (n,), rows that each band takes).
    """
    counts = [np.bincount(band[members], minlength=bands) for members in layers]
    heights = np.maximum(np.stack(counts).max(0), 1) if counts else np.ones(bands, np.intp)
    tops = np.concatenate([[0], np.cumsum(heights)])
    found = np.zeros(len(band))
    for members, count in zip(layers, counts, strict=True):
        for at in range(bands):
            here = members[band[members] == at]
            start = tops[at] + (heights[at] - count[at]) / 2
            found[here] = start + 0.5 + np.arange(len(here))
    return found, tuple(int(height) for height in heights)


def _places(layers: Sequence[NDArray[np.intp]], units: int) -> NDArray[np.float64]:
    place = np.zeros(units)
    for members in layers:
        place[members] = _spread(len(members))
    return place


def _spread(count: int) -> NDArray[np.float64]:
    """Places between 0 and 1: layers of different sizes share one height."""
    return (np.arange(count) + 0.5) / max(1, count)


def _barycentres(
    place: NDArray[np.float64],
    members: NDArray[np.intp],
    here: NDArray[np.integer],
    there: NDArray[np.integer],
    weight: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Where the neighbours on one side would have each member; its own place where it has none."""
    size = len(place)
    total = np.bincount(here, weight, size)[members]
    pulled = np.bincount(here, weight * place[there], size)[members]
    return np.where(total > 0, pulled / np.where(total > 0, total, 1), place[members])
