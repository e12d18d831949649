"""The pixel view: an enlarged image, or a map of it, whose pixels can be picked and coloured.

Picks show in the browser at once; `on_pick` brings them back. Works by mouse and by keyboard.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.figures.lab.pixel_panel import pack_pixels
from ndcore.figures.style.palette import CORNERS, FRAME, MUTED, rgba
from pages.ui.components.hand import Hand

_HERE = Path(__file__).parent
_COMPONENT = st.components.v2.component(
    "pixel_view",
    html=(_HERE / "pixel_view.html").read_text(),
    css=(_HERE / "pixel_view.css").read_text(),
    js=(_HERE / "pixel_view.js").read_text(),
)


@dataclass(frozen=True)
class PixelScene:
    """What lies under the picks.

    Attributes:
        subject: whose picture it is; picks of another subject are forgotten.
        colours: uint8 (H, W, 4) RGBA; alpha 0 = hatched.
        label: what a screen reader calls it.
        channels: of the model's images, 1 or 3; decides which colours are offered.
        pictured: it is the image itself, so picked pixels take their colour.
        tips: a line per pixel, row by row, or none.
        dots: (row, col) to mark.
    """

    subject: str
    colours: NDArray[np.uint8]
    label: str
    channels: int
    pictured: bool = True
    tips: Sequence[str] = ()
    dots: Sequence[tuple[int, int]] = ()


def pixel_view(scene: PixelScene, hand: Hand, *, key: str, on_pick: Callable[[], None]) -> None:
    """Draw the scene; after a pick `st.session_state[key]["picked"]` holds it."""
    spots = hand.spots
    header = {
        "subject": scene.subject,
        "label": scene.label,
        "channels": scene.channels,
        "corners": {
            colour: name
            for colour, name in CORNERS.items()
            if scene.channels > 1 or colour in FRAME  # black and white are greys too
        },
        "frame": FRAME,
        "hatch": rgba(MUTED, 0.7),
        "pictured": scene.pictured,
        "tips": list(scene.tips),
        "dots": [[int(row), int(col)] for row, col in scene.dots],
        "changes": [[spot.row, spot.col, spot.hex] for spot in spots],
        "colour": hand.hex,
        "cursor": [spots[-1].row, spots[-1].col] if spots else None,
        "several": hand.several,
        "stamp": hand.stamp,
    }
    _COMPONENT(key=key, data=pack_pixels(scene.colours, header), on_picked_change=on_pick)
