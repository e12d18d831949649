"""Vectors whose shape is known: a fork of two classes that grow out of one trunk."""

from __future__ import annotations

import numpy as np

from ndcore.topology.space import Space
from ndcore.topology.vectors import LayerVectors


def vectors_of(values: np.ndarray, labels: np.ndarray | None = None) -> LayerVectors:
    count = len(values)
    labels = np.zeros(count, np.int64) if labels is None else labels
    keys = np.array([f"made-up:{at}" for at in range(count)], np.str_)
    return LayerVectors(
        values.astype(np.float16), keys, labels, labels.copy(), np.zeros(count, np.float32)
    )


def fork(per_arm: int = 200) -> Space:
    """A trunk along the first axis from 1 to 2, then an arm per class that leans apart.

    The length of a vector grows along all of it, so that the norm cuts it across.
    """
    along = np.linspace(1, 2, per_arm)
    trunk = np.stack([along, np.zeros(per_arm), np.zeros(per_arm)], 1)
    out = np.linspace(0, 1, per_arm)
    arms = [np.stack([2 + out, side * 1.5 * out, np.zeros(per_arm)], 1) for side in (1, -1)]
    labels = np.concatenate([np.arange(per_arm) % 2, np.zeros(per_arm), np.ones(per_arm)])
    return Space.around(vectors_of(np.concatenate([trunk, *arms]), labels.astype(np.int64)))
