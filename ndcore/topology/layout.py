"""Where the nodes of a graph are drawn: by its data first, then pulled and pushed apart.

No chance is in it, and it begins at places that hang on the vectors and not on the settings, so
that a small change of a setting moves the drawing little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.topology.mapper import MapperGraph

ASPECT = 1.8  # width of the drawing by its height
STEPS = 90
FAR = 3.0  # ideal lengths of an edge, beyond which nodes do not push each other
HOME = 0.02  # how strongly a node is held at where it began
MOST_NODES = 1200  # beyond them nodes stay where they begin
ENOUGH = 2000  # vectors that tell the widest direction


def layout(
    graph: MapperGraph, values: NDArray[np.float32], lens: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Places (nodes, 2): x along the lens to begin with, y along the widest spread of the vectors.

    Reference: Fruchterman & Reingold 1991, "Graph drawing by force-directed placement".

    Args:
        graph: made of `values` (N, units) along `lens` (N,).
        values, lens: what it was made of.
    """
    from threadpoolctl import threadpool_limits

    if not graph.nodes:
        return np.zeros((0, 2))
    # Threads cost more than they save on steps so small, most of all on a busy machine.
    with threadpool_limits(1, "blas"):
        return _settled(graph, values, lens)


def _settled(
    graph: MapperGraph, values: NDArray[np.float32], lens: NDArray[np.float64]
) -> NDArray[np.float64]:
    count = len(graph.nodes)
    held, sizes = graph.membership(), graph.sizes
    across = held @ np.nan_to_num(_ranks(lens)) / sizes
    up = held @ _ranks(widest(values)) / sizes
    start = np.stack([ASPECT * across, up], 1)
    if count > MOST_NODES:
        return start
    length = np.sqrt(ASPECT / count)  # of an edge where the nodes fill the drawing
    # Nodes of the same images begin apart.
    start += 0.05 * length * np.stack([np.arange(count) % 7 - 3, np.arange(count) % 5 - 2], 1)
    places = start.copy()
    pull = np.sqrt(graph.jaccard)[:, None]
    first, second = graph.edges.T if len(graph.edges) else np.zeros((2, 0), np.int64)
    for step in range(STEPS):
        moved = _pushes(places, length)
        gaps = places[second] - places[first]
        pulls = (0.4 + 0.6 * pull) * np.linalg.norm(gaps, axis=1, keepdims=True) / length * gaps
        np.add.at(moved, first, pulls)
        np.subtract.at(moved, second, pulls)
        moved += HOME * np.sqrt(count) * (start - places)
        far = np.linalg.norm(moved, axis=1, keepdims=True)
        reach = 2.5 * length * (1 - step / STEPS) + 1e-6
        places = places + moved / np.maximum(far, 1e-12) * np.minimum(far, reach)
    return np.asarray(places, np.float64)


def _pushes(places: NDArray[np.float64], length: float) -> NDArray[np.float64]:
    sums = (places**2).sum(1)
    squares = sums[:, None] + sums[None] - 2 * (places @ places.T)
    np.maximum(squares, 1e-4 * length**2, out=squares)
    strength = length**2 / squares
    strength[squares > (FAR * length) ** 2] = 0
    return np.asarray(places * strength.sum(1)[:, None] - strength @ places)


def widest(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Each vector's place along the direction in which vectors (N, units) differ most, (N,).

    Its sign is that in which the unit that counts most grows.
    """
    some = values[np.linspace(0, len(values) - 1, min(len(values), ENOUGH)).astype(int)]
    middle = some.mean(0)
    spread = some - middle
    direction = spread.std(0) + 1e-12
    for _ in range(20):  # power iteration
        direction = spread.T @ (spread @ direction)
        size = float(np.linalg.norm(direction))
        if size == 0:
            return np.zeros(len(values))
        direction /= size
    direction *= np.sign(direction[np.argmax(np.abs(direction))])
    return np.asarray((values - middle) @ direction, np.float64)


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks from 0 to 1, so that a few far ones leave the others room."""
    order = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    return np.where(np.isfinite(values), order / max(1, len(values) - 1), np.nan)
