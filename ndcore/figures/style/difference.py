"""What an attack added to an image, made visible."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MIDDLE = 128


def amplified_difference(
    benign: NDArray[np.uint8], attacked: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], float]:
    """The change as an image around mid grey, and how many times it is enlarged.

    Args:
        benign, attacked: uint8 (H, W, C).

    Returns:
        (uint8 (H, W, C), gain): grey 128 + gain x change; the largest change just fits. The gain
        is 1 where nothing changed.
    """
    change = attacked.astype(np.int16) - benign
    largest = int(np.abs(change).max())
    gain = max(1.0, (MIDDLE - 1) / largest) if largest else 1.0
    return np.clip(np.rint(MIDDLE + gain * change), 0, 255).astype(np.uint8), gain


def difference_words(gain: float) -> str:
    """What `amplified_difference` shows, and how many times it is enlarged where it is."""
    times = f"{gain:.3g}"
    return "Difference; grey = unchanged" + ("" if times == "1" else f", enlarged {times} times")
