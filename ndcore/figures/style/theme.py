"""The look that all plotly figures share: transparent, legible in light and dark."""

from __future__ import annotations

import plotly.graph_objects as go

from ndcore.figures.style.palette import CLEAR, MUTED, rgba

GRID = rgba(MUTED, 0.25)


# Below the plot, where many names may take several rows on a narrow page.
BELOW = {"yref": "container", "y": 0, "yanchor": "bottom"}


def styled(
    figure: go.Figure, *, height: int, title: str, legend: bool = False, below: bool = False
) -> go.Figure:
    """Give a figure the common margins, grid and title; text colours are left to the page.

    Args:
        figure: to be laid out.
        height: in CSS pixels.
        title: heading.
        legend: above the plot; below: under it.
    """
    figure.update_layout(
        height=height,
        title={
            "text": title,
            "font": {"size": 15},
            "x": 0,
            "xanchor": "left",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 8},
        },
        margin={"l": 8, "r": 16, "t": 78 if legend else 44, "b": 8},
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        showlegend=legend or below,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "xanchor": "left"}
        | (BELOW if below else {}),
        hoverlabel={"font_size": 13},
        bargap=0.28,
        barcornerradius=2,
    )
    figure.update_xaxes(gridcolor=GRID, zerolinecolor=GRID, automargin=True)
    figure.update_yaxes(gridcolor=GRID, zerolinecolor=GRID, automargin=True)
    return figure
