"""Image patches that drive a unit, and their averages.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section
3.2.2, after Zhu et al. 2014, "AverageExplorer".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AVERAGED = 20
# Beyond the image there is nothing to see: mid-grey.
OUTSIDE = 128


@dataclass(frozen=True)
class Patches:
    """The recorded patches of a unit, the highest activation first.

    Attributes:
        keys: of their images, see `ImageSource.keys`.
        labels: of their images, int (k,).
        boxes: pixels seen, int (k, 4): top, left, bottom, right (exclusive); all of one size,
            so they may reach beyond the image.
        activations: of the unit there, float32 (k,), exact to 1/255 of the range in the list.
    """

    keys: tuple[str, ...]
    labels: NDArray[np.integer]
    boxes: NDArray[np.int64]
    activations: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def tied(self) -> bool:
        """Whether all drive the unit alike, as a dead one: which of them came first is chance."""
        return bool((self.activations == self.activations[:1]).all())


def cut_patches(pixels: NDArray[np.uint8], boxes: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Cut one box out of each image; what lies beyond an image is mid-grey.

    Args:
        pixels: uint8 (k, H, W, C).
        boxes: (k, 4) of one size.

    Returns:
        uint8 (k, height, width, C).
    """
    if not len(pixels):
        return pixels
    height, width = int(boxes[0, 2] - boxes[0, 0]), int(boxes[0, 3] - boxes[0, 1])
    found = np.full((len(pixels), height, width, pixels.shape[3]), OUTSIDE, np.uint8)
    for patch, image, (top, left, bottom, right) in zip(found, pixels, boxes, strict=True):
        rows = slice(max(top, 0), min(bottom, image.shape[0]))
        cols = slice(max(left, 0), min(right, image.shape[1]))
        inner = image[rows, cols]
        row, col = rows.start - top, cols.start - left
        patch[row : row + inner.shape[0], col : col + inner.shape[1]] = inner
    return found


def trimmed(boxes: NDArray[np.integer], shape: Sequence[int]) -> tuple[slice, slice]:
    """The part of patches in which some patch shows its image.

    Args:
        boxes: (k, 4) top, left, bottom, right, all of one size.
        shape: of the images, height and width first.

    Returns:
        (rows, columns) of a patch.
    """
    parts = []
    for start, end, side in ((0, 2, shape[0]), (1, 3, shape[1])):
        outside = np.maximum(-boxes[:, start], 0).min(), np.maximum(boxes[:, end] - side, 0).min()
        size = int(boxes[0, end] - boxes[0, start])
        parts.append(slice(int(outside[0]), size - int(outside[1])))
    return parts[0], parts[1]


def weighted_average(
    images: NDArray[np.generic] | Sequence[NDArray[np.generic]],
    weights: NDArray[np.floating],
) -> NDArray[np.float32] | None:
    """Mean of images under weights; a unit's weights are its activations there.

    Args:
        images: (k, H, W, C) in [0, 255].
        weights: (k,); those below 0 count as 0.

    Returns:
        float32 (H, W, C) in [0, 255], or None where no weight is above 0: a unit that is driven
        by nothing has no pattern.
    """
    positive = np.maximum(weights.astype(np.float64), 0)
    if not positive.sum() > 0:
        return None
    stack = np.asarray(images, np.float64)
    found: NDArray[np.float32] = np.einsum("k,k...->...", positive / positive.sum(), stack).astype(
        np.float32
    )
    return found


def clearness(patches: NDArray[np.uint8], average: NDArray[np.floating] | None) -> float:
    """Purity of a unit: contrast of the average relative to its patches'.

    Args:
        patches: (k, H, W, C).
        average: (H, W, C) of them, or None.

    Returns:
        In [0, 1] but for weights: 1 where all patches are the same, about 1/k where they have
        nothing in common, 0 where there is no average or no contrast at all.
    """
    if average is None or not len(patches):
        return 0.0
    spread = patches.astype(np.float64).var(axis=(1, 2)).mean()
    return float(average.astype(np.float64).var(axis=(0, 1)).mean() / spread) if spread else 0.0
