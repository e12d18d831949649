"""Where images that a graph was not made of lie on it, and the way from one to another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra

from ndcore.statistics.intervals import Rate
from ndcore.topology.mapper import MapperGraph, MapperSettings, mapper_graph
from ndcore.topology.space import nearest

NEW, SEED = 10, 0  # one of so many vectors is laid on the graph of the others


@dataclass(frozen=True)
class Placed:
    """Where M vectors lie on a graph.

    Attributes:
        nodes: of each vector those it lies in: in an interval of the node, and within epsilon of a
            core of its cluster, the nearest one in the interval. None: it lies beside the graph.
        nearest: int64 (M,), the node whose core is nearest in any interval; -1 without nodes.
        distance: float64 (M,), to that core, in epsilons.
    """

    nodes: tuple[tuple[int, ...], ...]
    nearest: NDArray[np.int64]
    distance: NDArray[np.float64]

    @property
    def beside(self) -> int:
        """How many lie in no node."""
        return sum(not found for found in self.nodes)

    @property
    def inside(self) -> Rate:
        """How many lie in a node."""
        return Rate(len(self.nodes) - self.beside, len(self.nodes))

    def counts(self, nodes: int) -> NDArray[np.int64]:
        """Vectors per node, (nodes,)."""
        every = [node for found in self.nodes for node in found]
        return np.bincount(np.array(every, np.int64), minlength=nodes).astype(np.int64)


def place(
    graph: MapperGraph,
    known: NDArray[np.float32],
    values: NDArray[np.float32],
    lens: NDArray[np.float64],
) -> Placed:
    """Lay vectors on a graph.

    Args:
        graph: made of `known`, (N, units).
        known: what it was made of.
        values: (M, units), to lay on it.
        lens: (M,), theirs.
    """
    found: list[list[int]] = [[] for _ in values]
    cores = np.concatenate([*graph.cores, np.zeros(0, np.int64)])
    owner = np.repeat(np.arange(len(graph.nodes)), [len(each) for each in graph.cores])
    epsilon = graph.settings.epsilon
    if not len(cores):
        beyond = np.full(len(values), np.inf)
        return Placed(tuple(() for _ in values), np.full(len(values), -1), beyond)
    of_interval = graph.interval[owner]
    for number in np.unique(graph.interval).tolist():
        low, high = graph.bounds[number]
        inside = np.flatnonzero((low <= lens) & (lens <= high))
        if not len(inside):
            continue
        own = np.flatnonzero(of_interval == number)
        far, at = nearest(known[cores[own]], values[inside], 1)
        for place_of, gap, which in zip(inside.tolist(), far[:, 0], at[:, 0], strict=True):
            if gap <= epsilon:
                found[place_of].append(int(owner[own[which]]))
    far, at = nearest(known[cores], values, 1)
    gaps = far[:, 0] / max(epsilon, 1e-12)
    return Placed(tuple(map(tuple, found)), owner[at[:, 0]], gaps.astype(np.float64))


@dataclass(frozen=True)
class Yardstick:
    """How many images that were not attacked lie in a cluster of a graph not made of them.

    Attributes:
        right: of those that the network takes rightly.
        wrong: of those that it errs on by itself, its natural errors.
    """

    right: Rate
    wrong: Rate


def yardstick(
    values: NDArray[np.float32],
    lens: NDArray[np.float64],
    settings: MapperSettings,
    wrong: NDArray[np.bool_],
    tenths: int = NEW,
) -> Yardstick:
    """Lay tenths of the vectors on the graph of the others.

    What a graph was made of lies on it too often to be a yardstick for other images. Of fewer
    vectors clusters are sparser, so the shares are, if anything, low. Natural errors are the
    control for attacked images: who lies beside the graph as often as they do is in doubt, whether
    attacked or not.

    Args:
        values: (N, units); lens: (N,), theirs.
        settings: of the graph.
        wrong: (N,), whether the network errs on the image.
        tenths: how many of the ten are laid, each at the cost of a graph.
    """
    tenth = np.random.default_rng(SEED).permutation(len(values)) % NEW
    inside = np.zeros(len(values), np.bool_)
    for at in range(tenths):
        new = tenth == at
        graph = mapper_graph(values[~new], lens[~new], settings)
        placed = place(graph, values[~new], values[new], lens[new])
        inside[new] = [bool(nodes) for nodes in placed.nodes]
    laid = tenth < tenths

    def rate(which: NDArray[np.bool_]) -> Rate:
        return Rate(int(inside[which & laid].sum()), int((which & laid).sum()))

    return Yardstick(rate(~wrong), rate(wrong))


def way(graph: MapperGraph, start: tuple[int, ...], end: tuple[int, ...]) -> tuple[int, ...]:
    """Nodes of the shortest way from any of `start` to any of `end`, both ends among them.

    Of equally short ones it is that of the strongest edges; () where they lie in parts of the graph
    that nothing joins, or one is empty.
    """
    if not start or not end:
        return ()
    lengths, before = dijkstra(graph.joined(), indices=list(start), return_predecessors=True)
    ends = np.array(end)
    first, last = np.unravel_index(np.argmin(lengths[:, ends]), (len(start), len(ends)))
    if not np.isfinite(lengths[first, ends[last]]):
        return ()
    steps = [int(ends[last])]
    while steps[-1] != start[first]:
        steps.append(int(before[first, steps[-1]]))
    return tuple(reversed(steps))
