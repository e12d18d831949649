"""What a node's images have in common: classes, purity, errors and averages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ndcore.topology.mapper import MapperGraph
from ndcore.topology.space import Space


@dataclass(frozen=True)
class NodeFacts:
    """Of the nodes of a graph.

    Attributes:
        sizes: int64 (nodes,), images.
        classes: int64 (nodes, classes), images by true class.
        norm, divergence: float64 (nodes,), means over the images.
        error: float64 (nodes,), share of them that the network takes for another class.
    """

    sizes: NDArray[np.int64]
    classes: NDArray[np.int64]
    norm: NDArray[np.float64]
    divergence: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def majority(self) -> NDArray[np.int64]:
        """The commonest class, the first of equals."""
        return np.asarray(self.classes.argmax(1), np.int64)

    @property
    def purity(self) -> NDArray[np.float64]:
        """Share of the commonest class."""
        return np.asarray(self.classes.max(1, initial=0) / self.sizes, np.float64)

    def commonest(self, most: int = 3) -> list[list[int]]:
        """Of each node its commonest classes, at most so many, the most frequent first."""
        found = []
        for counts in self.classes:
            order = np.argsort(-counts, kind="stable")[:most]
            found.append([int(label) for label in order if counts[label]])
        return found


def node_facts(space: Space, graph: MapperGraph, classes: int) -> NodeFacts:
    """Facts of every node; `classes`: how many there are."""
    held, sizes = graph.membership(), graph.sizes
    known = space.labels >= 0
    rows = np.flatnonzero(known)
    ones = np.ones(len(rows), np.int64)
    one_of = sparse.csr_array((ones, (rows, space.labels[known])), shape=(len(space), classes))

    def mean(values: NDArray[np.generic]) -> NDArray[np.float64]:
        return np.asarray(held @ values.astype(np.float64) / sizes, np.float64)

    return NodeFacts(
        sizes=sizes,
        classes=np.asarray((held @ one_of).toarray(), np.int64),
        norm=mean(space.lens("norm")),
        divergence=mean(space.divergence),
        error=mean(known & (space.predicted != space.labels)),
    )
