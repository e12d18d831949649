"""How well each measure tells attacked from benign images at each layer alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import plotly.graph_objects as go

from ndcore.figures.style.palette import MUTED, method_colours
from ndcore.figures.style.theme import styled
from ndcore.legible.few_of_many import evenly

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star")
DASHES = ("solid", "dash", "dot", "dashdot")

MOST_NAMED = 32  # layers that have their name beneath the axis
LEAST = 0.35  # lower end of the axis, unless a value lies below


def layer_auroc(
    curves: Mapping[str, tuple[Sequence[str], Sequence[float | None]]],
    *,
    title: str = "AUROC of each layer alone",
) -> go.Figure:
    """One line per measure over the layers.

    Args:
        curves: measure -> layer names and AUROC at each; None where there is none. The longest
            list of layers sets the axis.
        title: heading.
    """
    figure = go.Figure()
    colours = method_colours(len(curves))
    for place, (measure, (layers, values)) in enumerate(curves.items()):
        figure.add_scatter(
            x=list(layers),
            y=list(values),
            mode="lines+markers",
            name=measure,
            line={
                "color": colours[place],
                "width": 2,
                "dash": DASHES[place % len(DASHES)],
            },
            marker={"symbol": SYMBOLS[place % len(SYMBOLS)], "size": 8},
            hovertemplate=f"%{{x}}, {measure}<br>AUROC %{{y:.3f}}<extra></extra>",
        )
    order = max((layers for layers, _ in curves.values()), key=len, default=[])
    figure.add_hline(
        y=0.5,
        line={"color": MUTED, "dash": "dot"},
        annotation={"text": "chance"},
        annotation_position="bottom left",
    )
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=list(order), tickangle=-45,
        tickvals=[order[place] for place in evenly(len(order), MOST_NAMED)],
    )  # fmt: skip
    known = [value for _, values in curves.values() for value in values if value is not None]
    low = min([LEAST, *(value - 0.03 for value in known)])
    figure.update_yaxes(title="AUROC", range=[low, 1.02])
    return styled(figure, height=480, title=title, below=True)
