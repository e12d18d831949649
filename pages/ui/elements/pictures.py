"""Images on the page: one enlarged and its changed pixels ringed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from html import escape

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.attacks import PixelChange
from ndcore.data.decode import encode_png
from ndcore.figures.style.pixel_image import pixel_image
from pages.ui.frame.words import shortened

MOST_RINGS = 5
MOST_TOLD = 200  # characters of a caption


def rings(changes: Sequence[PixelChange]) -> tuple[tuple[int, int], ...]:
    """Places to ring; none where so many pixels changed that rings would hide the image."""
    if len(changes) > MOST_RINGS:
        return ()
    return tuple((change.row, change.col) for change in changes)


@lru_cache(maxsize=256)
def _png(data: bytes, shape: tuple[int, ...]) -> bytes:
    """The same images are drawn again and again."""
    return encode_png(np.frombuffer(data, np.uint8).reshape(shape))


def show_image(
    pixels: NDArray[np.uint8],
    caption: str,
    *,
    changes: Sequence[PixelChange] = (),
    candidates: NDArray[np.integer] | None = None,
    width: int = 260,
    hatched: bool = False,
    place: DeltaGenerator | None = None,
) -> None:
    """Draw pixels (H, W, C) with a caption under them.

    Args:
        pixels: uint8 image.
        caption: also what a screen reader says.
        changes: pixels to ring, up to `MOST_RINGS`.
        candidates: int (P, 2) rows and columns to dot.
        width: largest width in CSS pixels.
        hatched: show what is transparent as a hatch.
        place: where; default: the page.
    """
    where = place if place is not None else st
    height, across = pixels.shape[:2]
    dots = [] if candidates is None else [(int(row), int(col)) for row, col in candidates]
    image = pixel_image(
        _png(pixels.tobytes(), pixels.shape),
        (height, across),
        label=caption,
        ringed=rings(changes),
        candidates=dots,
        width=width,
        hatched=hatched,
    )
    told = escape(shortened(caption, MOST_TOLD))
    # One message for both.
    where.html(f'<figure class="picture">{image}<figcaption>{told}</figcaption></figure>')
