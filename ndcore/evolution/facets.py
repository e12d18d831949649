"""The facets of a unit: kinds of patches among those that drive it, laid out by likeness.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section 3.3,
after Nguyen, Yosinski & Clune 2016, "Multifaceted feature visualization".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from ndcore.errors import BadRequestError
from ndcore.evolution.patches import AVERAGED, weighted_average
from ndcore.steps import ShouldStop, load, stoppable_calls

FACETS = 10
COMPONENTS = 50
PERPLEXITY = 30
# Twice as many take twice as long and lower the divergence by 1 to 2%.
STEPS = 500
STEPS_OF = ("sklearn.cluster", "sklearn.decomposition", "sklearn.manifold")


@dataclass(frozen=True)
class Kinds:
    """Patches in groups, the largest first.

    Attributes:
        labels: group of each patch, (n,).
        sizes: patches per group, (groups,).
        short: the patches' first principal components, (n, at most 50).
        centres: of the groups in those, (groups, at most 50).
    """

    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]
    short: NDArray[np.float32]
    centres: NDArray[np.float32]


@dataclass(frozen=True)
class Facets:
    """Facets of a unit, the largest first.

    Attributes:
        labels: facet of each patch, (n,).
        sizes: patches per facet, (facets,).
        places: of the patches in the plane, (n, 2).
        centres: of the facets in the plane, (facets, 2).
        nearest: per facet its (at most 20) patches closest to the centre, closest first.
        averages: per facet the mean of those, weighted by activation, (H, W, C) in [0, 255]; the
            plain mean where no activation is above 0.
    """

    labels: NDArray[np.int64]
    sizes: NDArray[np.int64]
    places: NDArray[np.float32]
    centres: NDArray[np.float32]
    nearest: tuple[NDArray[np.int64], ...]
    averages: tuple[NDArray[np.float32], ...]


def kinds_of(patches: NDArray[np.uint8], facets: int = FACETS) -> Kinds:
    """k-means of patches (n, H, W, C) on the first 50 principal components of their pixels.

    Raises:
        BadRequestError: fewer than one facet, or fewer than three patches.
    """
    from sklearn.cluster import KMeans
    from sklearn.decomposition import PCA

    if facets < 1:
        raise BadRequestError(f"facets must be at least 1, got {facets}")
    if len(patches) < 3:
        raise BadRequestError(f"facets need at least 3 patches, got {len(patches)}")
    flat = patches.reshape(len(patches), -1).astype(np.float32) / 255
    different = len(np.unique(flat, axis=0))
    if different > 1:
        components = min(COMPONENTS, *flat.shape)
        short = PCA(components, random_state=0).fit_transform(flat)
    else:  # nothing to tell apart
        short = np.zeros((len(flat), 1), np.float32)
    wanted = min(facets, different)
    means = KMeans(wanted, n_init=4, random_state=0).fit(short)
    sizes = np.bincount(means.labels_, minlength=wanted)
    order = np.argsort(-sizes, kind="stable")
    labels = np.argsort(order)[means.labels_]
    return Kinds(labels, sizes[order], short, means.cluster_centers_[order])


def facets_of(
    patches: NDArray[np.uint8],
    activations: NDArray[np.floating],
    facets: int = FACETS,
    *,
    should_stop: ShouldStop = None,
) -> Facets:
    """`kinds_of` patches, then t-SNE of patches and centres together.

    Args:
        patches: (n, H, W, C).
        activations: of the unit on each, (n,).
        facets: how many; at most one per patch.
        should_stop: asked in every step of either method.

    Raises:
        BadRequestError: fewer than one facet, or fewer than three patches.
        StoppedError: `should_stop` said so.
    """
    load(STEPS_OF[0], should_stop)
    # On a busy machine threads that wait for each other take a hundred times as long as one.
    with threadpool_limits(1, "blas"), stoppable_calls(STEPS_OF, should_stop):
        return _facets_of(patches, activations, facets)


def _facets_of(
    patches: NDArray[np.uint8], activations: NDArray[np.floating], facets: int
) -> Facets:
    from sklearn.manifold import TSNE

    kinds = kinds_of(patches, facets)
    labels, short, centres = kinds.labels, kinds.short, kinds.centres
    together = np.concatenate([short, centres]).astype(np.float32)
    plane = np.zeros((len(together), 2), np.float32)
    if short.any():
        perplexity = min(PERPLEXITY, (len(together) - 1) / 3)
        start = "pca" if short.shape[1] > 1 else "random"
        embedding = TSNE(2, perplexity=perplexity, init=start, max_iter=STEPS, random_state=0)
        plane = embedding.fit_transform(together)
    nearest, averages = [], []
    for facet, centre in enumerate(centres):
        members = np.flatnonzero(labels == facet)
        away = np.linalg.norm(short[members] - centre, axis=1)
        chosen = members[np.argsort(away, kind="stable")[:AVERAGED]]
        average = weighted_average(patches[chosen], activations[chosen])
        if average is None:
            average = patches[chosen].mean(0, dtype=np.float32)
        nearest.append(chosen)
        averages.append(average)
    return Facets(
        labels,
        kinds.sizes,
        plane[: len(patches)],
        plane[len(patches) :],
        tuple(nearest),
        tuple(averages),
    )
