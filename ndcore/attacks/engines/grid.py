"""The points that `exhaustive` tries: pixels and colours, all of them or an even choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Grid:
    """Pixels and colours to try.

    Attributes:
        every: every so-manieth row and column.
        levels: of each channel, evenly from 0 to 255; 2 are the corners of the colour cube.
    """

    every: int = 1
    levels: int = 2

    def places(self, size: int) -> NDArray[np.int64]:
        """Rows or columns of an axis of `size` pixels."""
        return np.arange(min(self.every // 2, size - 1), size, self.every)

    def colours(self, channels: int) -> NDArray[np.uint8]:
        """uint8 (levels**C, C); the first channel changes fastest."""
        digits = np.arange(self.levels**channels)[:, None] // self.levels ** np.arange(channels)
        steps = digits % self.levels * 255 / (self.levels - 1)
        return np.rint(steps).astype(np.uint8)

    def index(self, colours: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Places (P,) of colours (P, C) of the grid in `colours`."""
        digits = np.rint(colours.astype(np.float64) * (self.levels - 1) / 255).astype(np.int64)
        return np.asarray((digits * self.levels ** np.arange(colours.shape[1])).sum(1))

    def points(self, shape: Sequence[int]) -> NDArray[np.int64]:
        """Every (row, col, colour index) of an image of shape (H, W, C), int64 (P, 3)."""
        height, width, channels = shape
        ranges = self.places(height), self.places(width), np.arange(self.levels**channels)
        return np.stack(np.meshgrid(*ranges, indexing="ij"), -1).reshape(-1, 3)

    def count(self, shape: Sequence[int]) -> int:
        """How many points there are."""
        height, width, channels = shape
        pixels = len(self.places(height)) * len(self.places(width))
        return pixels * int(self.levels**channels)
