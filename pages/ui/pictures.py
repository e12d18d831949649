"""An image on the page, enlarged with crisp pixels, its changed pixels ringed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.attacks import PixelChange
from ndcore.figures.pixel_image import pixel_image
from ndcore.images import encode_png

__all__ = ["show_image"]


def show_image(
    pixels: NDArray[np.uint8],
    caption: str,
    *,
    changes: Sequence[PixelChange] = (),
    candidates: NDArray[np.integer] | None = None,
    width: int = 260,
    place: DeltaGenerator | None = None,
) -> None:
    """Draw pixels (H, W, C) with a caption under them.

    Args:
        pixels: uint8 image.
        caption: also what a screen reader says.
        changes: pixels to ring.
        candidates: int (P, 2) rows and columns to dot.
        width: largest width in CSS pixels.
        place: where; default: the page.
    """
    where = place if place is not None else st
    height, across = pixels.shape[:2]
    dots = [] if candidates is None else [(int(row), int(col)) for row, col in candidates]
    where.html(
        pixel_image(
            encode_png(pixels),
            (height, across),
            label=caption,
            ringed=[(change.row, change.col) for change in changes],
            candidates=dots,
            width=width,
        )
    )
    where.caption(caption)
