"""Pixels by their neighbours: repaired, filled in, found odd, and what a median filter changes.

References:
    Xu, Evans & Qi 2018, "Feature squeezing: detecting adversarial examples in deep neural
    networks": the median filter as a squeezer, the L1 distance of the probabilities as score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

AROUND = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1) if (i, j) != (0, 0)]


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
    return np.stack([padded[:, 1 + i :, 1 + j :][:, :height, :width] for i, j in AROUND])


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
    # A border of pixels that are never known.
    places = ((0, 0), (1, 1), (1, 1))
    known = np.pad(~masks, places)
    values = np.pad(np.broadcast_to(image, (*masks.shape, image.shape[-1])), (*places, (0, 0)))
    left = np.argwhere(masks) + np.array((0, 1, 1))
    while len(left):
        around = [(left[:, 0], left[:, 1] + i, left[:, 2] + j) for i, j in AROUND]
        near = np.stack([known[at] for at in around])
        count = near.sum(0)
        seen = np.stack([values[at] for at in around]).astype(np.float32)
        seen[~near] = np.inf
        ring = count > 0
        ordered, count = np.sort(seen[:, ring], axis=0), count[None, ring, None]
        low = np.take_along_axis(ordered, (count - 1) // 2, 0)[0]
        high = np.take_along_axis(ordered, count // 2, 0)[0]
        at = tuple(left[ring].T)
        values[at] = np.rint((low + high) / 2)
        known[at] = True
        left = left[~ring]
    return np.ascontiguousarray(values[:, 1:-1, 1:-1])


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
