"""Where in the image an attack shows: one number per pixel as a layer of colour, and its legend."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray

from ndcore.figures.style.ramp import ramp_bar, ramp_rgba


def suspect_colours(suspicion: NDArray[np.floating], top: float) -> NDArray[np.uint8]:
    """RGBA (H, W, 4): dark = harmless, bright = suspicious.

    Args:
        suspicion: (H, W), larger = more suspicious, harmless from 0 down; NaN (not looked at)
            stays transparent.
        top: what is drawn brightest, the same for maps that are to be compared.
    """
    return ramp_rgba(suspicion / max(top, 1e-9))


def suspect_legend(top: float, *, words: str) -> str:
    """Markup of the colour scale.

    Args:
        top: as in `suspect_colours`, a share.
        words: what the number is.
    """
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:4px 8px;align-items:center;font-size:13px">'
        f"<span>{escape(words)}:</span><span>none</span>{ramp_bar()}"
        f"<span>{100 * top:.1f} points</span></div>"
    )
