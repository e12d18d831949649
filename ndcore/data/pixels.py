"""Changed pixels: what a change is, how it is applied, and what changed between two images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError


@dataclass(frozen=True)
class PixelChange:
    """One pixel before and after; colours are 8-bit values, one per channel."""

    row: int
    col: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    @classmethod
    def from_dict(cls, pixel: Mapping[str, Any]) -> PixelChange:
        """Of what `to_dict` gives."""
        before, after = tuple(pixel["rgb_before"]), tuple(pixel["rgb_after"])
        return cls(pixel["row"], pixel["col"], before, after)

    def to_dict(self) -> dict[str, Any]:
        """As in the command line's JSON."""
        return {
            "row": self.row,
            "col": self.col,
            "rgb_before": list(self.before),
            "rgb_after": list(self.after),
        }


def apply_changes(pixels: NDArray[np.uint8], changes: Sequence[PixelChange]) -> NDArray[np.uint8]:
    """A copy of pixels (H, W, C) with the changes made.

    Raises:
        BadRequestError: a position is outside the image or a colour has the wrong channels.
    """
    height, width, channels = pixels.shape
    changed = pixels.copy()
    for change in changes:
        if not (0 <= change.row < height and 0 <= change.col < width):
            raise BadRequestError(
                f"pixel ({change.row}, {change.col}) is outside the {height}x{width} image"
            )
        if len(change.after) != channels or not all(0 <= v <= 255 for v in change.after):
            raise BadRequestError(f"a colour has {channels} values from 0 to 255")
        changed[change.row, change.col] = change.after
    return changed


def changes_between(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[PixelChange, ...]:
    """The pixels that differ between two images (H, W, C), row by row."""
    rows, cols = np.nonzero((before != after).any(-1))
    return tuple(
        PixelChange(
            int(row),
            int(col),
            tuple(int(v) for v in before[row, col]),
            tuple(int(v) for v in after[row, col]),
        )
        for row, col in zip(rows, cols, strict=True)
    )


def paint(
    pixels: NDArray[np.uint8], positions: NDArray[np.int64], colours: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Copies of one image with pixels replaced.

    Args:
        pixels: (H, W, C).
        positions: (P, k, 2) row and col.
        colours: (P, k, C).

    Returns:
        (P, H, W, C). Where positions repeat within a candidate the last colour holds.
    """
    images = np.repeat(pixels[None], len(positions), axis=0)
    which = np.arange(len(positions))
    for index in range(positions.shape[1]):
        images[which, positions[:, index, 0], positions[:, index, 1]] = colours[:, index]
    return images


def smaller(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Pixels (H, W, C) whose sides are `factor` times as short, each the mean of a square."""
    height, width = (side // factor for side in pixels.shape[:2])
    whole = pixels[: height * factor, : width * factor]
    squares = whole.reshape(height, factor, width, factor, -1)
    return np.asarray(np.rint(squares.mean((1, 3))), np.uint8)


def image_key(weight_hash: str, pixels: NDArray[np.uint8]) -> str:
    """SHA-256 (hex) under which a server or a file keeps what a network makes of an image."""
    digest = hashlib.sha256(f"{weight_hash}{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()
