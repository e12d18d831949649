"""How long an engine will take that asks for a whole grid, told before it begins."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.config import AttackConfig
from ndcore.networks.evaluator import Evaluator, Query

TIMED = 64  # points


def expected_seconds(evaluator: Evaluator, config: AttackConfig, image: NDArray[np.uint8]) -> float:
    """Seconds for one image, from a few points in the middle of the grid.

    Args:
        evaluator: of the model.
        config: whose engine keeps a map.
        image: uint8 (H, W, C).
    """
    points = config.grid.points(image.shape)
    points = points[evaluator.order(points[:, :2])]
    middle = max(0, (len(points) - TIMED) // 2)
    few = points[middle : middle + TIMED]
    colours = config.grid.colours(image.shape[2])[few[:, 2]]
    query = Query(image, few[:, None, :2], colours[:, None])
    spent = 0.0
    for _ in range(2):  # the first warms up
        started = time.perf_counter()
        evaluator.run([query])
        spent = time.perf_counter() - started
    return spent / len(few) * min(config.budget(image.shape), len(points) * config.pixels)
