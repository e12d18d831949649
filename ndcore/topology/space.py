"""Vectors and how far apart they lie: lenses, and the radius that joins neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError
from ndcore.topology.vectors import LayerVectors

NEIGHBOURS = 20  # distances that are kept of every vector, its own 0 the first
DENSE_AT = 5  # the neighbour whose distance tells how densely a vector lies
# A lens gives each vector a number, along which the cover is laid.
LENSES = {
    "norm": "the length of the vector (L2 norm): how strongly the layer answers",
    "divergence": "how far the layer lies from the class that the image is taken for",
    "density": "how densely vectors lie around it: minus the distance to its fifth neighbour",
}


@dataclass(frozen=True)
class Space(LayerVectors):
    """The vectors of a layer with their neighbours.

    Attributes:
        near: float32 (N, k), distances to the k nearest vectors, ascending, its own 0 among them.
    """

    near: NDArray[np.float32]

    @classmethod
    def around(cls, vectors: LayerVectors) -> Self:
        """With the distances measured: N x N of them, in pieces."""
        near = nearest(vectors.wide, vectors.wide, min(NEIGHBOURS, len(vectors)))[0]
        near[:, 0] = 0  # what rounding left of a vector's distance to itself
        return cls(**vars(vectors), near=near)

    def lens(self, name: str) -> NDArray[np.float64]:
        """A number per vector, (N,); see `LENSES`.

        Raises:
            BadRequestError: no such lens.
        """
        if name == "density":
            return -self.near[:, min(DENSE_AT, self.near.shape[1] - 1)].astype(np.float64)
        return _lens(self, name)

    def lens_of(self, others: LayerVectors, name: str) -> NDArray[np.float64]:
        """The same of vectors that are not among these.

        Raises:
            BadRequestError: no such lens.
        """
        if name == "density":
            found = nearest(self.wide, others.wide, min(DENSE_AT, len(self)))[0]
            return -found[:, -1].astype(np.float64)
        return _lens(others, name)

    def curve(self, min_samples: int) -> NDArray[np.float64]:
        """Distance within which each vector has `min_samples` vectors, itself among them, sorted.

        Raises:
            BadRequestError: more than are kept.
        """
        if not 1 <= min_samples <= NEIGHBOURS:
            raise BadRequestError(f"min-samples must lie between 1 and {NEIGHBOURS}")
        return np.sort(self.near[:, min(min_samples, self.near.shape[1]) - 1].astype(np.float64))

    def bend(self, min_samples: int, share: float | None) -> float:
        """Where epsilon is on the curve, 0 to 1: at a share of the vectors; None for its elbow."""
        return elbow(self.curve(min_samples)) if share is None else share

    def epsilon(self, min_samples: int, share: float | None) -> float:
        """The radius within which that share of the vectors has so many neighbours."""
        return float(np.quantile(self.curve(min_samples), self.bend(min_samples, share)))


def elbow(curve: NDArray[np.floating]) -> float:
    """Where an ascending curve bends upwards most, as a share of its length (0 to 1).

    It is the place farthest below the line from its first to its last point (the "kneedle" of
    Satopää et al. 2011); 1 for a curve that is flat.
    """
    rise = float(curve[-1] - curve[0])
    if len(curve) < 3 or rise <= 0:
        return 1.0
    along = np.linspace(0, 1, len(curve))
    return float(along[np.argmax(along - (curve - curve[0]) / rise)])


def nearest(
    among: NDArray[np.float32], wanted: NDArray[np.float32], count: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The nearest `count` of `among` (N, units) to each of `wanted` (M, units).

    Returns:
        Euclidean distances float32 (M, count), ascending, and places (M, count).
    """
    from sklearn.neighbors import NearestNeighbors

    known = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(among)
    distances, places = known.kneighbors(wanted)
    return np.asarray(distances, np.float32), np.asarray(places, np.int64)


def _lens(vectors: LayerVectors, name: str) -> NDArray[np.float64]:
    if name == "norm":
        return np.asarray(np.linalg.norm(vectors.wide, axis=1), np.float64)
    if name == "divergence":
        return vectors.divergence.astype(np.float64)
    raise BadRequestError(f"unknown lens '{name}': choose {', '.join(LENSES)}")
