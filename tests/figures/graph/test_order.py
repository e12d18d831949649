"""Order inside the layers: planted orders come back, and nothing depends on the order given."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.figures.graph.order import crossing, least_crossing, slots

LAYERS, UNITS = 6, 9


def chains(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Parallel chains whose units are shuffled in every layer: they need not cross at all."""
    layer = np.repeat(np.arange(LAYERS), UNITS)
    shuffled = [at * UNITS + rng.permutation(UNITS) for at in range(LAYERS)]
    return layer, np.concatenate(shuffled[:-1]), np.concatenate(shuffled[1:])


def places(order: list[np.ndarray], n: int) -> np.ndarray:
    place = np.zeros(n)
    for members in order:
        place[members] = np.arange(len(members))
    return place


@pytest.mark.parametrize("seed", range(5))
def test_parallel_chains_end_without_a_crossing(seed: int) -> None:
    layer, source, target = chains(np.random.default_rng(seed))
    weight = np.ones(len(source))
    start = places([np.flatnonzero(layer == at) for at in range(LAYERS)], len(layer))
    assert crossing(start, layer, source, target, weight) > 0
    order = least_crossing(layer, source, target, weight)
    assert crossing(places(order, len(layer)), layer, source, target, weight) == 0
    assert [sorted(members) for members in order] == [
        list(range(at * UNITS, (at + 1) * UNITS)) for at in range(LAYERS)
    ]


def test_crossing_is_the_product_of_the_weights_that_cross() -> None:
    layer = np.array([0, 0, 1, 1])
    source, target = np.array([0, 1]), np.array([3, 2])
    weight = np.array([2.0, 5.0])
    assert crossing(np.array([0, 1, 0, 1.0]), layer, source, target, weight) == 10
    assert crossing(np.array([0, 1, 1, 0.0]), layer, source, target, weight) == 0
    # Edges that end in one unit do not cross.
    assert crossing(np.arange(4.0), layer, source, np.array([2, 2]), weight) == 0


def test_never_worse_than_it_was_given(rng: np.random.Generator) -> None:
    layer = np.repeat(np.arange(5), 15)
    source = np.concatenate([rng.integers(0, 15, 40) + 15 * at for at in range(4)])
    target = np.concatenate([rng.integers(0, 15, 40) + 15 * (at + 1) for at in range(4)])
    weight = rng.random(len(source))
    start = places([np.flatnonzero(layer == at) for at in range(5)], len(layer))
    order = least_crossing(layer, source, target, weight)
    after = crossing(places(order, len(layer)), layer, source, target, weight)
    assert after < crossing(start, layer, source, target, weight)
    again = least_crossing(layer, source, target, weight)
    assert all((a == b).all() for a, b in zip(order, again, strict=True))


def test_bands_stay_below_each_other() -> None:
    layer = np.array([0, 0, 0, 1, 1, 1])
    band = np.array([1, 0, 1, 0, 1, 1])
    # Every edge pulls against the bands.
    source, target = np.array([0, 1, 2]), np.array([3, 4, 5])
    order = least_crossing(layer, source, target, np.ones(3), band)
    assert order[0][0] == 1
    assert order[1][0] == 3
    rows, heights = slots(order, band, 2)
    assert heights == (1, 2)
    assert rows[[1, 3]].tolist() == [0.5, 0.5]
    assert sorted(rows[[0, 2]]) == [1.5, 2.5]


def test_a_short_layer_stands_in_the_middle() -> None:
    layer = np.array([0, 0, 0, 1])
    order = least_crossing(layer, np.array([0, 1, 2]), np.array([3, 3, 3]), np.ones(3))
    rows, heights = slots(order, np.zeros(4, int), 1)
    assert heights == (3,)
    assert rows[3] == 1.5


def test_nothing_is_a_drawing_without_layers() -> None:
    none = np.zeros(0, int)
    assert least_crossing(none, none, none, np.zeros(0)) == []
    assert slots([], none, 2)[1] == (1, 1)


def test_an_edge_that_skips_a_layer_pulls_too() -> None:
    layer = np.array([0, 0, 1, 1, 2, 2])
    source, target = np.array([0, 1]), np.array([5, 4])
    order = least_crossing(layer, source, target, np.ones(2))
    assert crossing(places(order, 6), layer, source, target, np.ones(2)) == 0
