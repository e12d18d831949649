"""Best-first search over colours that do not stand out.

Every new colour lies within the range that the pixel's eight neighbours span in each channel, at
a corner of that box, so that a look at the pixels alone finds nothing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.engines.engine import Engine
from ndcore.attacks.engines.fast import FAST, Point, best_first
from ndcore.attacks.engines.search import Problem, Search
from ndcore.data.neighbours import neighbours


def neighbour_box(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Lowest and highest value of the eight neighbours, per pixel and channel.

    Args:
        image: uint8 (H, W, C), at least 2x2.

    Returns:
        Two arrays uint8 (H, W, C).
    """
    around = neighbours(image[None])[:, 0]
    ends = np.fmin.reduce(around), np.fmax.reduce(around)  # NaN beyond the border is no value
    return ends[0].astype(np.uint8), ends[1].astype(np.uint8)


def inconspicuous(problem: Problem, rng: np.random.Generator) -> Search:
    """Best-first search over the corners of each pixel's neighbour box."""
    channels = np.arange(problem.image.shape[2])

    def palette(base: NDArray[np.uint8], points: list[Point]) -> NDArray[np.uint8]:
        low, high = neighbour_box(base)
        rows, cols, index = np.array(points).T
        upper = ((index[:, None] >> channels) & 1).astype(bool)
        return np.asarray(np.where(upper, high[rows, cols], low[rows, cols])[:, None], np.uint8)

    return best_first(problem, rng, palette)


INCONSPICUOUS = Engine(
    "inconspicuous",
    "Inconspicuous search",
    "Best-first search like `fast`, each colour within the range of the pixel's eight neighbours",
    inconspicuous,
    FAST.needs,
    evades=True,
)
