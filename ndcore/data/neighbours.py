"""Pixels by their neighbours: repaired, filled in, found odd, and what a median filter changes.

References:
    Xu, Evans & Qi 2018, "Feature squeezing: detecting adversarial examples in deep neural
    networks": the median filter as a squeezer, the L1 distance of the probabilities as score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter


def neighbours(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The eight pixels around each pixel.

    Args:
        pixels: (N, H, W, C).

    Returns:
        float32 (8, N, H, W, C), NaN beyond the border.
    """
    height, width = pixels.shape[1:3]
    padded = np.pad(
        pixels.astype(np.float32),
        ((0, 0), (1, 1), (1, 1), (0, 0)),
        constant_values=np.nan,
    )
    around = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    return np.stack([padded[:, i : i + height, j : j + width] for i, j in around])


def median_of_neighbours(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Per channel the median of the neighbours of each pixel, uint8 (N, H, W, C)."""
    if pixels.shape[1] * pixels.shape[2] < 2:
        return pixels.copy()
    # NaN sorts last, so that the middle of those inside can be picked without nanmedian's loop.
    ordered = np.sort(neighbours(pixels), axis=0)
    inside = np.isfinite(ordered).sum(0, keepdims=True)
    low = np.take_along_axis(ordered, (inside - 1) // 2, 0)[0]
    high = np.take_along_axis(ordered, inside // 2, 0)[0]
    return np.asarray(np.rint((low + high) / 2), np.uint8)


def filled(image: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Copies of an image with what is masked filled from outside.

    Ring by ring, every pixel with known neighbours takes their median, per channel. Nothing that
    is masked is looked at.

    Args:
        image: uint8 (H, W, C).
        masks: (P, H, W), each with something left unmasked.

    Returns:
        uint8 (P, H, W, C).
    """
    known = ~masks
    values = np.where(known[..., None], image, 0).astype(np.uint8)
    while not known.all():
        around = neighbours(values)
        near = np.nan_to_num(neighbours(known[..., None].astype(np.uint8))) > 0
        around[np.broadcast_to(~near, around.shape)] = np.nan
        ordered = np.sort(around, axis=0)
        count = near.sum(0)
        low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, 0)[0]
        high = np.take_along_axis(ordered, count[None] // 2, 0)[0]
        ring = ~known & (count[..., 0] > 0)
        values[ring] = np.rint((low[ring] + high[ring]) / 2).astype(np.uint8)
        known = known | ring
    return values


def pixel_outlier(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """How far the oddest pixel lies from its neighbours, without any network.

    Args:
        pixels: uint8 (N, H, W, C).

    Returns:
        float32 (N,): the largest |value - median of the 8 neighbours|, over pixels and channels,
        in [0, 255]; int64 (N, 2): row and col of that pixel.
    """
    gap = np.abs(pixels.astype(np.float32) - median_of_neighbours(pixels)).max(-1)
    flat = gap.reshape(len(pixels), -1)
    where = np.stack(np.divmod(flat.argmax(1), pixels.shape[2]), 1)
    return flat.max(1), where.astype(np.int64)


def squeezed(pixels: NDArray[np.uint8], size: int = 3) -> NDArray[np.uint8]:
    """Images (N, H, W, C) after a median filter of size x size pixels, per channel."""
    return np.asarray(median_filter(pixels, size=(1, size, size, 1), mode="reflect"))
