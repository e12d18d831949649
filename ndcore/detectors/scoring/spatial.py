"""Where in the image: a conv layer's positions against those of the predicted class.

An image gives a conv unit one value per position, a real sample, so that divergences between two
distributions exist (`against_class`). And each position has a vector over the channels: its
Mahalanobis distance from the class's positions (`position_map`) shows where something is odd. One
changed pixel reaches few positions of an early layer, and those wholly.

Reference:
    The distance with a mean per class and one covariance is that of Lee et al. 2018, "A simple
    unified framework for detecting out-of-distribution samples and adversarial attacks", here
    taken at single positions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from torch import Tensor

SPATIAL = ("w1", "kl", "js")
# Bin edges are these quantiles of all positions of all classes; the tails are cut finer because
# a changed pixel moves few positions.
LEVELS = (*np.arange(0.05, 0.96, 0.05).tolist(), 0.98, 0.99, 0.995, 0.998, 0.999)
SMOOTHING = 0.5  # added to every count
RIDGE = 1e-3  # least eigenvalue kept, as a share of their mean
TOP = 0.1  # share of the positions in the second summary
AROUND = 7  # positions, in the third


@dataclass(frozen=True)
class SpatialReference:
    """Statistics of one conv layer over the positions of reference images.

    Attributes:
        means: float32 (classes, units).
        whiten: float32 (units, units), the inverse root of the covariance within classes.
        quantiles: float32 (classes, units, K), ascending, at (k - 1/2) / K.
        spread: float32 (classes, units), mean distance from the median, never near 0.
        edges: float32 (units, bins - 1), ascending.
        shares: float32 (classes, units, bins), smoothed shares of the positions.
    """

    means: NDArray[np.float32]
    whiten: NDArray[np.float32]
    quantiles: NDArray[np.float32]
    spread: NDArray[np.float32]
    edges: NDArray[np.float32]
    shares: NDArray[np.float32]

    @classmethod
    def from_quantiles(
        cls,
        means: NDArray[np.floating],
        covariance: NDArray[np.floating],
        quantiles: NDArray[np.floating],
    ) -> SpatialReference:
        """Derive the rest from class means, shared covariance (units, units) and quantiles."""
        classes, units, levels = quantiles.shape
        values, vectors = np.linalg.eigh(np.asarray(covariance, np.float64))
        floor = max(RIDGE * float(values.mean()), 1e-12)
        whiten = vectors / np.sqrt(np.maximum(values, floor))
        median = quantiles[..., levels // 2]
        spread = np.abs(quantiles - median[..., None]).mean(-1)
        spread = np.maximum(spread, max(0.01 * float(spread.mean()), 1e-9))
        pooled = np.sort(quantiles.transpose(1, 0, 2).reshape(units, -1), axis=1)
        at = np.minimum((np.array(LEVELS) * pooled.shape[1]).astype(int), pooled.shape[1] - 1)
        # A little above the quantile: where many positions share one value, rounding must not move
        # them across an edge.
        edges = pooled[:, at] + 1e-3 * spread.mean(0)[:, None]
        below = (quantiles[..., None, :] <= edges[None, :, :, None]).sum(-1)
        ends = np.zeros((classes, units, 1)), np.full((classes, units, 1), levels)
        counts = np.diff(np.concatenate([ends[0], below, ends[1]], -1), axis=-1) + SMOOTHING
        shares = counts / counts.sum(-1, keepdims=True)
        parts = (means, whiten, quantiles, spread, edges, shares)
        return cls(*(np.ascontiguousarray(part, dtype=np.float32) for part in parts))


def against_class(
    reference: SpatialReference, maps: Tensor, labels: NDArray[np.integer]
) -> dict[str, NDArray[np.float32]]:
    """Each unit's positions against those of class labels[i].

    Args:
        reference: of the layer.
        maps: float32 (N, units, H, W).
        labels: (N,).

    Returns:
        float32 (N, units) each: `w1` Wasserstein-1 in class spreads; `kl` KL(image || class) and
        `js` Jensen-Shannon in nats, over the reference's bins. KL(class || image) is left out: it
        is infinite wherever the image misses a bin.
    """
    values = maps.flatten(2).contiguous().sort(dim=2).values.contiguous()
    count, units, places = values.shape
    w1 = torch.empty(count, units)
    shares = torch.empty(count, units, reference.shares.shape[2])
    levels = reference.quantiles.shape[2]
    edges = torch.from_numpy(reference.edges)
    for label in np.unique(labels):
        rows = torch.from_numpy(np.flatnonzero(labels == label))
        quantiles = torch.from_numpy(reference.quantiles[label])
        spread = torch.from_numpy(reference.spread[label])
        own = values[rows].repeat_interleave(max(1, levels // places), dim=2)
        w1[rows] = (own - quantiles).abs().mean(2) / spread
        shares[rows] = torch.from_numpy(reference.shares[label])
    below = torch.searchsorted(values, edges.expand(count, -1, -1).contiguous(), right=True)
    ends = torch.zeros(count, units, 1), torch.full((count, units, 1), float(places))
    p = torch.cat([ends[0], below.float(), ends[1]], 2).diff(dim=2) / places
    middle = (p + shares) / 2
    kl = torch.special.xlogy(p, p / shares).sum(2)
    js = (torch.special.xlogy(p, p / middle) + torch.special.xlogy(shares, shares / middle)).sum(2)
    found = {"w1": w1, "kl": kl.clamp(min=0), "js": (js / 2).clamp(min=0)}
    return {name: part.numpy() for name, part in found.items()}


def position_map(
    reference: SpatialReference, maps: Tensor, labels: NDArray[np.integer]
) -> NDArray[np.float32]:
    """Squared Mahalanobis distance per unit of every position from class labels[i].

    Args:
        reference: of the layer.
        maps: float32 (N, units, H, W).
        labels: (N,).

    Returns:
        float32 (N, H, W); about 1 where a position is as usual.
    """
    means = torch.from_numpy(reference.means)[torch.from_numpy(np.asarray(labels))]
    centred = maps.permute(0, 2, 3, 1) - means[:, None, None, :]
    white = centred @ torch.from_numpy(reference.whiten)
    return np.asarray(white.square().mean(3).numpy(), np.float32)


def summary(
    found: NDArray[np.floating], size: tuple[int, int]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """What a position map says in brief.

    A changed pixel makes a spot of a few positions, an edge of the picture makes a line: so the
    third summary, of distances rather than their squares, takes the median of the 7x7 positions
    around from each.

    Args:
        found: (N, h, w).
        size: (H, W) of the image.

    Returns:
        float32 (N, 3): the largest value, the mean of the top 10% and the largest spot; int64
        (N, 2): row and col in the image of that spot's centre.
    """
    count, tall, wide = found.shape
    flat = np.sort(found.reshape(count, -1), axis=1)
    top = flat[:, -max(1, round(TOP * tall * wide)) :].mean(1)
    distance = np.sqrt(found)
    spots = (distance - median_filter(distance, (1, AROUND, AROUND))).reshape(count, -1)
    rows, cols = np.divmod(spots.argmax(1), wide)
    middle = (rows * 2 + 1) * size[0] // (2 * tall), (cols * 2 + 1) * size[1] // (2 * wide)
    where = np.stack(middle, 1)
    brief = np.stack([flat[:, -1], top, spots.max(1)], 1)
    return brief.astype(np.float32), where.astype(np.int64)
