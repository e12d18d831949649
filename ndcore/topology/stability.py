"""Which edges of a graph stay when its settings change a little."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.steps import ShouldStop, stop_if
from ndcore.topology.mapper import MapperGraph, MapperSettings, mapper_graph

AROUND = 0.2


@dataclass(frozen=True)
class Stability:
    """Of the edges of a graph.

    Attributes:
        variants: what was changed, such as `less epsilon`.
        kept: bool (variants, E): the edge is there, too, or its nodes have become one.
    """

    variants: tuple[str, ...]
    kept: NDArray[np.bool_]

    @property
    def share(self) -> NDArray[np.float64]:
        """Of the variants that keep each edge, (E,)."""
        return np.asarray(self.kept.mean(0), np.float64)


def edge_stability(
    graph: MapperGraph,
    values: NDArray[np.float32],
    lens: NDArray[np.float64],
    *,
    on_variant: Callable[[int, int], None] | None = None,
    should_stop: ShouldStop = None,
) -> Stability:
    """Make the graph again with every setting alone 20% smaller and 20% larger.

    A node is found again as the one that shares the largest part of its vectors (Jaccard).

    Args:
        graph: made of `values` along `lens`.
        values, lens: (N, units) and (N,).
        on_variant: called with how many are done, and of how many.
        should_stop: asked before each.

    Raises:
        StoppedError: `should_stop` said so.
    """
    variants: dict[str, MapperSettings] = graph.settings.around(AROUND)
    kept = np.zeros((len(variants), len(graph.edges)), np.bool_)
    for row, settings in enumerate(variants.values()):
        stop_if(should_stop)
        other = mapper_graph(values, lens, settings)
        kept[row] = _kept(graph, other)
        if on_variant:
            on_variant(row + 1, len(variants))
    return Stability(tuple(variants), kept)


def found_again(graph: MapperGraph, other: MapperGraph) -> NDArray[np.int64]:
    """Of each node of `graph` the node of `other` that is most alike; -1 where none shares any."""
    if not graph.nodes or not other.nodes:
        return np.full(len(graph.nodes), -1)
    shared = (graph.membership() @ other.membership().T).toarray()
    alike = shared / (graph.sizes[:, None] + other.sizes[None] - shared)
    best = alike.argmax(1)
    return np.where(alike.max(1) > 0, best, -1)


def _kept(graph: MapperGraph, other: MapperGraph) -> NDArray[np.bool_]:
    ends = found_again(graph, other)[graph.edges]
    there = other.joined().toarray() > 0
    start, end = ends.T
    known = (start >= 0) & (end >= 0)
    return np.asarray(known & ((start == end) | there[start, end]), np.bool_)
