"""Intervals of marks in a chart."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ndcore.statistics.intervals import Rate

THIN = 1.2


def error_bars(
    found: Iterable[tuple[float, float, float]], thickness: float, **look: float
) -> dict[str, Any]:
    """Plotly's `error_x` or `error_y` of marks whose intervals are not symmetric.

    Args:
        found: (value, low, high) of each mark.
        thickness: of the lines, in pixels.
        look: more of their properties, such as `width` of the ends.
    """
    marks = list(found)
    return {
        "type": "data",
        "symmetric": False,
        "array": [high - value for value, _, high in marks],
        "arrayminus": [value - low for value, low, _ in marks],
        "thickness": thickness,
        **look,
    }


def rate_bar(rate: Rate) -> dict[str, Any]:
    """The interval of a single mark that is a share."""
    return error_bars([(rate.share, *rate.ends)], THIN)
