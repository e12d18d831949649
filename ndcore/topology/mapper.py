"""The mapper graph: a cover of the lens, clusters in each part of it, and what they share."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from ndcore.errors import BadRequestError

MOST_INTERVALS = 200
# DBSCAN lists all neighbours of an interval's vectors at once; what would take more memory than
# this is refused.
MOST_BYTES = 512 * 2**20
ASKED = 200  # vectors by which that is foreseen
TOLERANCE = 1e-9  # of the ends of an interval


@dataclass(frozen=True)
class MapperSettings:
    """How a graph is made.

    Attributes:
        epsilon: radius of DBSCAN, in the units of the vectors.
        intervals: parts of the lens, equally wide.
        overlap: share of an interval that the next one covers too, between 0 and 1.
        min_samples: vectors within epsilon, itself among them, that make one the core of a cluster.
    """

    epsilon: float
    intervals: int = 40
    overlap: float = 0.3
    min_samples: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.intervals <= MOST_INTERVALS:
            raise BadRequestError(f"intervals must lie between 1 and {MOST_INTERVALS}")
        if not 0 < self.overlap < 1:
            raise BadRequestError("the overlap must lie between 0 and 1")
        if not 0 <= self.epsilon < np.inf:
            raise BadRequestError("epsilon must not be negative")
        if self.min_samples < 1:
            raise BadRequestError("min-samples must be at least 1")

    def around(self, share: float = 0.2) -> dict[str, MapperSettings]:
        """Each setting alone made smaller and larger by a share; one that stays is left out."""
        found = {}
        for word, factor in (("less", 1 - share), ("more", 1 + share)):
            moved: dict[str, Any] = {
                "intervals": max(1, min(MOST_INTERVALS, round(self.intervals * factor))),
                "overlap": min(0.99, self.overlap * factor),
                "epsilon": self.epsilon * factor,
                "min_samples": max(1, round(self.min_samples * factor)),
            }
            for name, value in moved.items():
                if value != getattr(self, name):
                    found[f"{word} {name}"] = replace(self, **{name: value})
        return found


@dataclass(frozen=True)
class MapperGraph:
    """A graph of N vectors.

    Attributes:
        settings: that it was made with.
        count: N.
        bounds: float64 (intervals, 2), their ends on the lens.
        nodes: members of each node, ascending places of vectors.
        cores: those of them that are cores of the cluster.
        interval: int64 (nodes,), which a node lies in.
        edges: int64 (E, 2), nodes from < to.
        shared: int64 (E,), vectors in both.
        jaccard: float64 (E,), those as a share of the vectors in either.
    """

    settings: MapperSettings
    count: int
    bounds: NDArray[np.float64]
    nodes: tuple[NDArray[np.int64], ...]
    cores: tuple[NDArray[np.int64], ...]
    interval: NDArray[np.int64]
    edges: NDArray[np.int64]
    shared: NDArray[np.int64]
    jaccard: NDArray[np.float64]

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Vectors per node."""
        return np.array([len(members) for members in self.nodes], np.int64)

    @property
    def loose(self) -> int:
        """Vectors in no node: too few others lie near them."""
        return self.count - len(np.unique(np.concatenate([*self.nodes, np.zeros(0, np.int64)])))

    def membership(self) -> sparse.csr_array:
        """Which node has which vector, 0 or 1, (nodes, N)."""
        return membership(self.nodes, self.count)

    def joined(self) -> sparse.csr_array:
        """Lengths of the edges both ways, (nodes, nodes): 1, a little less for a strong one."""
        ends = self.edges.T if len(self.edges) else np.zeros((2, 0), np.int64)
        lengths = 1 - 1e-3 * self.jaccard
        found = sparse.coo_array((lengths, (ends[0], ends[1])), shape=(len(self.nodes),) * 2)
        return sparse.csr_array(found + found.T)


def mapper_graph(
    values: NDArray[np.float32], lens: NDArray[np.float64], settings: MapperSettings
) -> MapperGraph:
    """The graph of vectors (N, units) along a lens (N,); a vector whose lens is NaN is in no node.

    Raises:
        BadRequestError: nearly all vectors are neighbours of each other.
    """
    from sklearn.cluster import DBSCAN

    bounds = cover(lens, settings.intervals, settings.overlap)
    nodes, cores, interval = [], [], []
    clusters = DBSCAN(eps=max(settings.epsilon, 1e-12), min_samples=settings.min_samples)
    for number, inside in enumerate(_inside(lens, bounds)):
        members = np.flatnonzero(inside)
        if not len(members):
            continue
        held = values[members]
        _require_room(held, settings.epsilon)
        found = clusters.fit(held)
        core = np.zeros(len(members), np.bool_)
        core[found.core_sample_indices_] = True
        for label in range(int(found.labels_.max()) + 1):
            own = found.labels_ == label
            nodes.append(members[own])
            cores.append(members[own & core])
            interval.append(number)
    edges, shared, jaccard = _nerve(nodes, len(values))
    where = np.array(interval, np.int64)
    return MapperGraph(
        settings, len(values), bounds, tuple(nodes), tuple(cores), where, edges, shared, jaccard
    )


def cover(lens: NDArray[np.float64], intervals: int, overlap: float) -> NDArray[np.float64]:
    """Ends (intervals, 2) of equally wide parts of a lens (N,), each over a share of the next."""
    known = lens[np.isfinite(lens)]
    if not len(known):
        return np.zeros((0, 2))
    low, high = float(known.min()), float(known.max())
    if high <= low:
        return np.array([[low, high]])
    width = (high - low) / (intervals - (intervals - 1) * overlap)
    middles = np.linspace(low + width / 2, high - width / 2, intervals)
    return np.stack([middles - width / 2, middles + width / 2], 1)


def _inside(lens: NDArray[np.float64], bounds: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which interval has which vector, (intervals, N)."""
    middles, widths = bounds.mean(1)[:, None], np.diff(bounds, axis=1)
    return np.asarray(2 * np.abs(lens - middles) - widths <= TOLERANCE, np.bool_)


def membership(nodes: tuple[NDArray[np.int64], ...], count: int) -> sparse.csr_array:
    """Which node has which of `count` vectors, 0 or 1, (nodes, count)."""
    ends = np.cumsum([0, *(len(members) for members in nodes)])
    places = np.concatenate([*nodes, np.zeros(0, np.int64)])
    ones = np.ones(len(places), np.int64)
    return sparse.csr_array((ones, places, ends), shape=(len(nodes), count))


def _nerve(
    nodes: list[NDArray[np.int64]], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    held = membership(tuple(nodes), count)
    both = sparse.coo_array(sparse.triu(held @ held.T, k=1))
    order = np.lexsort((both.col, both.row))
    edges = np.stack([both.row, both.col], 1)[order].astype(np.int64)
    shared = np.asarray(both.data[order], np.int64)
    sizes = np.array([len(members) for members in nodes], np.int64)
    return edges, shared, shared / (sizes[edges].sum(1) - shared)


def _require_room(held: NDArray[np.float32], epsilon: float) -> None:
    if 8 * len(held) ** 2 <= MOST_BYTES:
        return
    asked = held[np.linspace(0, len(held) - 1, ASKED).astype(int)]
    squares = (held**2).sum(1) - 2 * asked @ held.T + (asked**2).sum(1)[:, None]
    near = float((squares <= epsilon**2).mean())
    if 8 * near * len(held) ** 2 > MOST_BYTES:
        raise BadRequestError(
            f"within epsilon {epsilon:.4g} nearly all of {len(held):,} vectors of an interval are "
            "neighbours of each other: choose a smaller epsilon, or more intervals"
        )
