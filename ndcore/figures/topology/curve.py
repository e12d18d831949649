"""Where epsilon is read off: how far every vector's neighbours are."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ACCENT, MUTED
from ndcore.figures.style.theme import styled

POINTS = 200


def neighbour_curve(
    curve: NDArray[np.floating], *, epsilon: float, bend: float, neighbours: int
) -> go.Figure:
    """The sorted distances with epsilon and the elbow.

    Args:
        curve: ascending, (N,), distance to the `neighbours`-th vector.
        epsilon: that the graph was made with.
        bend: share of the curve at which its elbow is, 0 to 1.
        neighbours: vectors within it, its own among them.
    """
    shares = np.linspace(0, 1, POINTS)
    figure = go.Figure()
    figure.add_scatter(
        x=100 * shares,
        y=np.quantile(curve, shares),
        mode="lines",
        line={"color": ACCENT, "width": 2.5},
        hovertemplate=f"%{{x:.0f}}% of the vectors have {neighbours} within %{{y:.3g}}"
        "<extra></extra>",
    )
    figure.add_hline(
        y=epsilon,
        line={"color": MUTED, "dash": "dash"},
        annotation={"text": f"epsilon {epsilon:.3g}", "font": {"size": 12}},
        annotation_position="top left",
    )
    figure.add_scatter(
        x=[100 * bend],
        y=[float(np.quantile(curve, bend))],
        mode="markers+text",
        marker={"size": 9, "color": ACCENT, "symbol": "diamond"},
        text=["elbow"],
        textposition="bottom center",
        hoverinfo="skip",
    )
    styled(figure, height=230, title="")
    figure.update_xaxes(title=f"% of vectors with {neighbours} within", ticksuffix="%")
    figure.update_yaxes(title="distance", rangemode="tozero")
    return figure.update_layout(margin={"t": 12})
