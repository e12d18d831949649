"""Every pixel with every corner colour, or another grid: the complete map of it.

With several pixels the whole grid is searched for each in turn, the pixels before being kept at
the best point found (greedy), so that more pixels never find less.

Reference: the corners are those of Croce & Hein 2019, "Sparse and imperceivable adversarial
attacks" (CornerSearch), whose first stage is this grid.
"""

from __future__ import annotations

import numpy as np

from ndcore.attacks.engines.engine import Engine
from ndcore.attacks.engines.search import Candidates, Problem, Search
from ndcore.data.pixels import paint

CHUNK = 256


def exhaustive(problem: Problem, rng: np.random.Generator) -> Search:
    """Propose the whole grid, for each pixel in turn; `rng` is not needed."""
    colours = problem.grid.colours(problem.image.shape[2])
    points = problem.grid.points(problem.image.shape)
    points = points[problem.order(points[:, :2])]
    base = problem.image
    for depth in range(1, problem.pixels + 1):
        best, margin = points[0], np.inf
        of = f", pixel {depth} of {problem.pixels}" if problem.pixels > 1 else ""
        for start in range(0, len(points), CHUNK):
            part = points[start : start + CHUNK]
            stage = f"grid point {start:,} of {len(points):,}{of}"
            logits = yield Candidates(part[:, None, :2], colours[part[:, 2]][:, None], stage, base)
            margins = problem.margins(logits)
            if margins.min() < margin:
                margin, best = margins.min(), part[margins.argmin()]
        base = paint(base, best[None, None, :2], colours[best[2]][None, None])[0]


EXHAUSTIVE = Engine(
    "exhaustive",
    "Exhaustive grid",
    "Every pixel with each of the 8 corner colours: the complete map of that grid",
    exhaustive,
    keeps_map=True,
    follows=True,
)
