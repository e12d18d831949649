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


def suspect_colours(suspicion: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGBA (H, W, 4): dark = harmless, bright = suspicious.

    Args:
        suspicion: (H, W), larger = more suspicious; NaN (not looked at) stays transparent.
    """
    seen = np.isfinite(suspicion)
    low, high = _range(suspicion)
    at = np.clip((np.where(seen, suspicion, low) - low) / (high - low), 0, 1) * (len(_STOPS) - 1)
    colours = np.zeros((*suspicion.shape, 4), np.uint8)
    for channel in range(3):
        colours[..., channel] = np.rint(np.interp(at, np.arange(len(_STOPS)), _STOPS[:, channel]))
    colours[..., 3] = np.where(seen, 255, 0)
    return colours


def suspect_legend(suspicion: NDArray[np.floating], *, words: str, digits: int = 2) -> str:
    """Markup of the colour scale.

    Args:
        suspicion: as in `suspect_colours`.
        words: what the number is.
        digits: after the point.
    """
    low, high = _range(suspicion)
    stops = ", ".join("rgb({:.0f} {:.0f} {:.0f})".format(*stop) for stop in _STOPS)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:4px 8px;align-items:center;font-size:13px">'
        f"<span>{escape(words)}:</span><span>{low:.{digits}f}</span>"
        '<span style="display:block;width:110px;height:12px;border-radius:3px;'
        f'background:linear-gradient(90deg, {stops})"></span><span>{high:.{digits}f}</span></div>'
    )


def _range(suspicion: NDArray[np.floating]) -> tuple[float, float]:
    seen = suspicion[np.isfinite(suspicion)]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 1.0)
    return low, max(high, low + 1e-9)
