"""How p-values are spread: evenly among benign images, at the left end among what is caught."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ATTACKED, FRAME, MUTED
from ndcore.figures.style.theme import styled

BINS = 20
PATTERNS = {"benign": "", "attacked": "/", "unknown": "."}


def p_histogram(groups: Mapping[str, NDArray[np.floating]], alpha: float, benign: str) -> go.Figure:
    """Shares of each group's images in bins of p.

    Args:
        groups: `benign`, `attacked` or `unknown` -> p-values (n,) in (0, 1]; empty ones are left
            out.
        alpha: alarms lie at or below it; drawn as a line.
        benign: #rrggbb of benign images in the page's theme.
    """
    figure = go.Figure()
    colours = {"benign": benign, "attacked": ATTACKED, "unknown": MUTED}
    edges = np.linspace(0, 1, BINS + 1)
    for name, values in groups.items():
        if not len(values):
            continue
        # p = 1/20 belongs to the first bin, as it is an alarm at 5%.
        at = np.ceil(np.asarray(values, float) * BINS - 1e-9).astype(int) - 1
        counts = np.bincount(at.clip(0, BINS - 1), minlength=BINS)
        colour = colours[name]
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts / len(values),
            customdata=np.stack([counts, edges[:-1], edges[1:]], 1),
            name=f"{name} ({len(values):,})",
            marker={
                "color": colour,
                "pattern": {
                    "shape": PATTERNS[name],
                    "bgcolor": colour,
                    "fgcolor": FRAME[1],
                    "size": 6,
                },
            },
            hovertemplate=f"{name}: %{{customdata[0]:.0f}} images, %{{y:.1%}}<br>"
            "p %{customdata[1]:.2f}-%{customdata[2]:.2f}<extra></extra>",
        )
    figure.add_hline(y=1 / BINS, line={"color": MUTED, "dash": "dot"})
    figure.add_vline(
        x=alpha,
        line={"color": MUTED, "dash": "dash"},
        annotation={"text": f"p = {alpha:g}"},
        annotation_position="top right",
        annotation_xshift=4,
    )
    figure.update_xaxes(title="p-value (left = more suspicious)", range=[0, 1])
    figure.update_yaxes(title="share of the images", tickformat=".0%", rangemode="tozero")
    styled(figure, height=330, title="How p-values are spread", legend=True)
    return figure.update_layout(bargap=0.1, bargroupgap=0.04)
