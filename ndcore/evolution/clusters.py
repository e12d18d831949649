"""Groups of a layer's units and their map in the plane, from how far apart the units are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError

CLUSTERS = 5
NEAREST = 4
STEPS = 100


@dataclass(frozen=True)
class UnitClusters:
    """Clusters of units, the largest first.

    Attributes:
        labels: cluster of each unit, (units,).
        sizes: units per cluster, (clusters,).
        places: of the units in the plane, (units, 2).
        centres: mean place of each cluster, (clusters, 2).
        nearest: per cluster its (at most `NEAREST`) units closest to the centre, closest first.
        weights: per cluster the inverse distances of those to the centre; they sum to 1.
    """

    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]
    places: NDArray[np.float64]
    centres: NDArray[np.float64]
    nearest: tuple[NDArray[np.int64], ...]
    weights: tuple[NDArray[np.float64], ...]


def cluster_units(distances: NDArray[np.floating], clusters: int = CLUSTERS) -> UnitClusters:
    """Agglomerative clusters (average linkage) and multidimensional scaling of units.

    Args:
        distances: symmetric (units, units), see `metrics.unit_distances`.
        clusters: how many; a layer of fewer units has one cluster per unit.

    Raises:
        BadRequestError: fewer than one cluster.
    """
    from sklearn.cluster import AgglomerativeClustering

    if clusters < 1:
        raise BadRequestError(f"clusters must be at least 1, got {clusters}")
    units = len(distances)
    wanted = min(clusters, units)
    if units < 2:
        raw = np.zeros(units, np.int64)
    else:
        grouping = AgglomerativeClustering(wanted, metric="precomputed", linkage="average")
        raw = grouping.fit_predict(distances)
    sizes = np.bincount(raw, minlength=wanted)
    order = np.argsort(-sizes, kind="stable")
    labels = np.argsort(order)[raw]
    places = _in_the_plane(distances)
    centres = np.stack([places[labels == cluster].mean(0) for cluster in range(wanted)])
    # Where a centre lies on a unit, that unit decides.
    close = 1e-6 * max(float(np.abs(places).max()), 1e-30)
    nearest, weights = [], []
    for cluster, centre in enumerate(centres):
        members = np.flatnonzero(labels == cluster)
        away = np.linalg.norm(places[members] - centre, axis=1)
        chosen = np.argsort(away, kind="stable")[:NEAREST]
        inverse = 1 / np.maximum(away[chosen], close)
        nearest.append(members[chosen])
        weights.append(inverse / inverse.sum())
    return UnitClusters(labels, sizes[order], places, centres, tuple(nearest), tuple(weights))


def _in_the_plane(distances: NDArray[np.floating]) -> NDArray[np.float64]:
    from sklearn.manifold import MDS

    # Two units or none apart need no scaling, and give it nothing to start from.
    if len(distances) < 3 or not distances.any():
        places = np.zeros((len(distances), 2))
        if len(distances) == 2:
            places[1, 0] = distances[0, 1]
        return places
    scaling = MDS(
        n_components=2,
        metric="precomputed",
        init="classical_mds",
        n_init=1,
        max_iter=STEPS,
        random_state=0,
        normalized_stress=False,
    )
    found: NDArray[np.float64] = scaling.fit_transform(distances)
    return found
