"""Scales from little to much; they run the same way on a light and on a dark page.

Values (a probability, a metric, a count) are cividis: dark is low, bright is high. It is fixed
because such maps lie on images and fill whole cells, so that no page shows through; because their
legends say "bright" in words, which must stay true in both themes; and because the same picture in
a file or in a colleague's browser is then the same. Cividis looks alike to people with and without
colour vision. What is not known is transparent, never a colour.

Amounts (shares of images or of neurons) of something that has a colour of its own are the opacity
of that colour: transparent is none, opaque is most, and the hue says whose they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from plotly.colors import sequential

from ndcore.figures.style.palette import channels, rgba

_STOPS = np.array([channels(stop) for stop in sequential.Cividis], float)


def ramp(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGB (..., 3) of shares (...): 0 dark, 1 bright; what lies beyond is clipped."""
    at = np.clip(np.asarray(shares, float), 0, 1) * (len(_STOPS) - 1)
    places = np.arange(len(_STOPS))
    mixed = [np.interp(at, places, _STOPS[:, channel]) for channel in range(3)]
    return np.asarray(np.rint(np.stack(mixed, axis=-1)), np.uint8)


def ramp_rgba(shares: NDArray[np.floating]) -> NDArray[np.uint8]:
    """RGBA (..., 4) of shares (...) as `ramp` colours them; what is NaN is transparent."""
    seen = np.isfinite(shares)
    alpha = np.where(seen, 255, 0).astype(np.uint8)
    return np.concatenate([ramp(np.where(seen, shares, 0)), alpha[..., None]], axis=-1)


def ramp_scale(start: float = 0.0) -> list[tuple[float, str]]:
    """The scale as plotly takes it, from `start` of its length at the low end."""
    shares = np.linspace(start, 1, len(_STOPS))
    places = np.linspace(0, 1, len(_STOPS)).tolist()
    return [(at, _css(colour)) for at, colour in zip(places, ramp(shares), strict=True)]


def opacity_scale(colour: str, opacities: Sequence[tuple[float, float]]) -> list[tuple[float, str]]:
    """A scale of amounts as plotly takes it.

    Args:
        colour: #rrggbb of what they are amounts of.
        opacities: (share of the scale, opacity), both from 0 to 1 and both rising.
    """
    return [(share, rgba(colour, opacity)) for share, opacity in opacities]


def ramp_bar(*, bright_first: bool = False) -> str:
    """Markup of the scale as a bar, dark at the left unless `bright_first`."""
    ordered = _STOPS[::-1] if bright_first else _STOPS
    stops = ", ".join(map(_css, ordered))
    return (
        f'<span style="display:block;width:110px;height:12px;border-radius:3px;'
        f'background:linear-gradient(90deg, {stops})"></span>'
    )


def _css(colour: NDArray[np.number]) -> str:
    red, green, blue = colour.astype(int).tolist()
    return f"rgb({red}, {green}, {blue})"
