"""Best-first search that begins where the gradient points.

The gradient of the margin says, to first order, how far each pixel in each corner colour would
move it. The pixels are looked at in that order, each in its most promising colour, and the
neighbours of the best points with them, as `fast` does. What the gradient promises counts for
nothing until the network has been asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.engines.engine import Engine
from ndcore.attacks.engines.fast import FAST, LATTICE, Point, best_first
from ndcore.attacks.engines.search import Problem, Search, corner_colours

MOST = 2 * LATTICE**2  # pixels, as many points as the lattice of `fast` has


def promising(image: NDArray[np.uint8], gradient: NDArray[np.floating]) -> list[Point]:
    """The most promising pixels, each in its most promising corner colour, the best first.

    Args:
        image: uint8 (H, W, C).
        gradient: (H, W, C) of the margin, which an attack lowers.
    """
    height, width, channels = image.shape
    corners = corner_colours(channels).astype(np.float64)
    moves = np.stack(
        [(gradient * (corner - image)).sum(-1, dtype=np.float64) for corner in corners], -1
    )
    best = moves.argmin(-1).ravel()
    order = np.argsort(moves.min(-1), axis=None, kind="stable")[:MOST]
    rows, cols = np.unravel_index(order, (height, width))
    return list(zip(rows.tolist(), cols.tolist(), best[order].tolist(), strict=True))


def by_gradient(problem: Problem, rng: np.random.Generator) -> Search:
    """Propose pixels in the order of the gradient, and neighbours of the best."""
    return best_first(problem, rng, first=lambda base, _: promising(base, problem.gradient(base)))


GRADIENT = Engine(
    "gradient",
    "Gradient search",
    "Best-first search like `fast`, but it sees the network: it begins at the pixels that the "
    "gradient of the margin points to (one backward pass per pixel, not counted as a query)",
    by_gradient,
    FAST.needs,
    is_followed=True,
)
