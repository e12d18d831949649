"""One message to the pixel view: a small image whose pixels can be pointed at and picked."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray


def opaque(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA (H, W, 4) of an image (H, W, C), C = 1 or 3."""
    height, width, channels = pixels.shape
    colours = np.broadcast_to(pixels, (height, width, 3)) if channels == 1 else pixels
    alpha = np.full((height, width, 1), 255, np.uint8)
    return np.concatenate([colours, alpha], axis=2)


def pack_pixels(colours: NDArray[np.uint8], header: dict[str, Any]) -> bytes:
    """Header length (uint32, little-endian), JSON header, then the colours.

    Args:
        colours: uint8 (H, W, 4) RGBA; alpha 0 is drawn as `not tried`.
        header: what else the view needs; `height` and `width` are added.
    """
    height, width = colours.shape[:2]
    text = json.dumps(
        {**header, "height": height, "width": width}, separators=(",", ":"), allow_nan=False
    ).encode()
    return b"".join([struct.pack("<I", len(text)), text, colours.tobytes()])
