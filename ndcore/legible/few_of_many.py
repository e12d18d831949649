"""Which of many classes or layers a picture shows, so that what it shows can be read."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of `count` places, the first and the last among them, evenly apart."""
    if count <= most:
        return list(range(count))
    return [int(place) for place in np.linspace(0, count - 1, most).round()]


def largest(values: ArrayLike, most: int) -> NDArray[np.intp]:
    """Places of the `most` largest of values (n,), in their own order; of equal ones the first."""
    order = np.argsort(-np.asarray(values, np.float64), kind="stable")[:most]
    return np.sort(order)
