"""One sequential colour scale for values: cividis, dark = low, bright = high.

Cividis looks alike to people with and without colour vision.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from plotly.colors import sequential

_STOPS = np.array(
    [[int(stop[i : i + 2], 16) for i in (1, 3, 5)] for stop in sequential.Cividis], float
)


def ramp(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGB (..., 3) of shares (...): 0 dark, 1 bright; what lies beyond is clipped."""
    at = np.clip(np.asarray(shares, float), 0, 1) * (len(_STOPS) - 1)
    places = np.arange(len(_STOPS))
    channels = [np.interp(at, places, _STOPS[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(channels, axis=-1)), np.uint8)


def ramp_rgba(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGBA (..., 4) of shares (...) as `ramp` colours them; what is NaN is transparent."""
    seen = np.isfinite(shares)
    alpha = np.where(seen, 255, 0).astype(np.uint8)
    return np.concatenate([ramp(np.where(seen, shares, 0)), alpha[..., None]], axis=-1)


def ramp_bar(*, bright_first: bool = False) -> str:
    """Markup of the scale as a bar, dark at the left unless `bright_first`."""
    ordered = _STOPS[::-1] if bright_first else _STOPS
    stops = ", ".join("rgb({:.0f} {:.0f} {:.0f})".format(*stop) for stop in ordered)
    return (
        f'<span style="display:block;width:110px;height:12px;border-radius:3px;'
        f'background:linear-gradient(90deg, {stops})"></span>'
    )
