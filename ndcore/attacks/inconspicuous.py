"""Best-first search over colours that do not stand out.

Every new colour lies within the range that the pixel's eight neighbours span in each channel, at
a corner of that box, so that a look at the pixels alone finds nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.fast import Point, best_first
from ndcore.attacks.search import Problem, Search

__all__ = ["inconspicuous", "neighbour_box"]


def neighbour_box(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lowest and highest value of the eight neighbours, per pixel and channel.

    Args:
        image: uint8 (H, W, C), at least 2x2.

    Returns:
        Two arrays uint8 (H, W, C).
    """
    height, width = image.shape[:2]
    around = [(i, j) for i in range(3) for j in range(3) if (i, j) != (1, 1)]
    ends = []
    for filler, pick in ((255, np.minimum), (0, np.maximum)):
        padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=filler)
        views = [padded[i : i + height, j : j + width] for i, j in around]
        ends.append(np.asarray(pick.reduce(views), np.uint8))
    return ends[0], ends[1]


def inconspicuous(problem: Problem, rng: np.random.Generator) -> Search:
    """Best-first search over the corners of each pixel's neighbour box."""
    channels = np.arange(problem.image.shape[2])

    def palette(base: NDArray[np.uint8], points: list[Point]) -> NDArray[np.uint8]:
        low, high = neighbour_box(base)
        rows, cols, index = np.array(points).T
        upper = ((index[:, None] >> channels) & 1).astype(bool)
        return np.asarray(np.where(upper, high[rows, cols], low[rows, cols])[:, None], np.uint8)

    return best_first(problem, rng, palette)
