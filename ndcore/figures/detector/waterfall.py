"""A score taken apart: what each layer and neuron adds, down to the whole."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from ndcore.figures.style.palette import FALL, MUTED, RISE
from ndcore.figures.style.theme import styled


def waterfall(names: Sequence[str], parts: Sequence[float], *, total: str, title: str) -> go.Figure:
    """Bars that start where the one before ended; the last is their sum.

    Args:
        names: of the parts, from top to bottom.
        parts: in the score's own unit; negative ones go to the left.
        total: name of the last bar.
        title: heading.
    """
    figure = go.Figure(
        go.Waterfall(
            orientation="h",
            y=[*names, total],
            x=[*parts, 0],
            measure=[*("relative" for _ in names), "total"],
            increasing={"marker": {"color": RISE}},
            decreasing={"marker": {"color": FALL}},
            totals={"marker": {"color": MUTED}},
            connector={"line": {"color": MUTED, "width": 1, "dash": "dot"}},
            text=[*(f"{part:+.3f}" for part in parts), f"{sum(parts):.3f}"],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}<br>%{text}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", type="category")
    reached = np.concatenate([[0.0], np.cumsum(np.asarray(parts, float))])
    room = 0.2 * max(float(np.ptp(reached)), 1e-9)  # for the numbers beside the bars
    low = float(reached.min())
    span = [low - room if low < 0 else 0.0, float(reached.max()) + room]
    figure.update_xaxes(title="score", range=span)
    styled(figure, height=90 + 24 * (len(names) + 1), title=title)
    return figure.update_yaxes(showgrid=False)  # lines would run through the numbers
