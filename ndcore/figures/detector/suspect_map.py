"""Where in the image an attack shows: one number per pixel as a layer of colour, and its legend."""

from __future__ import annotations

from html import escape

import numpy as np
from numpy.typing import NDArray
from plotly.colors import sequential

__all__ = ["suspect_colours", "suspect_legend"]

_STOPS = np.array(
    [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in sequential.Cividis], float
)


def suspect_colours(suspicion: NDArray[np.floating], top: float) -> NDArray[np.uint8]:
    """RGBA (H, W, 4): dark = harmless, bright = suspicious.

    Args:
        suspicion: (H, W), larger = more suspicious, harmless from 0 down; NaN (not looked at)
            stays transparent.
        top: what is drawn brightest, the same for maps that are to be compared.
    """
    seen = np.isfinite(suspicion)
    at = np.clip(np.where(seen, suspicion, 0) / max(top, 1e-9), 0, 1) * (len(_STOPS) - 1)
    colours = np.zeros((*suspicion.shape, 4), np.uint8)
    for channel in range(3):
        colours[..., channel] = np.rint(np.interp(at, np.arange(len(_STOPS)), _STOPS[:, channel]))
    colours[..., 3] = np.where(seen, 255, 0)
    return colours


def suspect_legend(top: float, *, words: str) -> str:
    """Markup of the colour scale.

    Args:
        top: as in `suspect_colours`, a share.
        words: what the number is.
    """
    stops = ", ".join("rgb({:.0f} {:.0f} {:.0f})".format(*stop) for stop in _STOPS)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:4px 8px;align-items:center;font-size:13px">'
        f"<span>{escape(words)}:</span><span>none</span>"
        '<span style="display:block;width:110px;height:12px;border-radius:3px;'
        f'background:linear-gradient(90deg, {stops})"></span>'
        f"<span>{100 * top:.1f} points</span></div>"
    )
