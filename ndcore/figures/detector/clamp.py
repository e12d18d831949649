"""A causal test: what clamping ever more neurons, or a whole layer, does to one class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ACCENT, MUTED, rgba
from ndcore.figures.style.rows import Bar, Row, rows_markup
from ndcore.figures.style.theme import styled
from ndcore.legible.few_of_many import largest

MOST_LAYERS = 24


def clamp_course(
    counts: Sequence[int],
    divergent: Sequence[float],
    random: Sequence[NDArray[np.floating]],
    *,
    label: str,
    before: float,
) -> go.Figure:
    """Probability of one class with ever more neurons clamped: the most divergent, and random ones.

    Args:
        counts: how many are clamped.
        divergent: probability with that many of the most divergent ones.
        random: (draws,) for each count, with as many random ones.
        label: name of the class.
        before: its probability with none clamped.
    """
    places = ["0", *(str(count) for count in counts)]
    low = [before, *(float(draws.min()) for draws in random)]
    high = [before, *(float(draws.max()) for draws in random)]
    middle = [before, *(float(np.median(draws)) for draws in random)]
    figure = go.Figure()
    figure.add_scatter(
        x=[*places, *places[::-1]],
        y=[*high, *low[::-1]],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=rgba(MUTED, 0.25),
        name="random neurons: all draws",
        hoverinfo="skip",
    )
    for name, values, colour, dash, symbol in (
        ("random neurons: middle draw", middle, MUTED, "dot", "circle"),
        ("most divergent neurons", [before, *divergent], ACCENT, "solid", "diamond"),
    ):
        figure.add_scatter(
            x=places,
            y=values,
            mode="lines+markers",
            name=name,
            line={"color": colour, "width": 2, "dash": dash},
            marker={"symbol": symbol, "size": 9},
            hovertemplate=f"%{{x}} clamped<br>{escape(label)} %{{y:.1%}}<extra>{name}</extra>",
        )
    figure.update_xaxes(title="neurons clamped", type="category")
    figure.update_yaxes(
        title=f"probability of {escape(label)}", tickformat=".0%", range=[-0.03, 1.03]
    )
    styled(figure, height=360, title="Few neurons at a time", legend=True)
    # Three entries take up to three lines in a narrow column.
    return figure.update_layout(margin={"t": 118})


def layer_clamps(
    layers: Sequence[str],
    probabilities: Sequence[float],
    labels: Sequence[str],
    *,
    label: str,
    returned: Sequence[bool],
) -> str:
    """Markup: the class's probability with all neurons of one layer clamped, layer by layer.

    Args:
        layers: names in the order of the model.
        probabilities: of the class.
        labels: predicted class.
        label: name of the class.
        returned: whether the label came back; those rows are bold.

    Of many layers those with the highest probability are shown.
    """
    shown = largest(probabilities, MOST_LAYERS).tolist()
    rows = [
        Row(
            layers[at],
            (Bar(probabilities[at], ACCENT if returned[at] else MUTED),),
            f"{100 * probabilities[at]:.1f}% · taken for {labels[at]}",
            strong=returned[at],
        )
        for at in shown
    ]
    title = f"A whole layer at a time: probability of {label}"
    if len(shown) < len(layers):
        title += f" (the {len(shown)} highest of {len(layers)} layers)"
    return rows_markup(rows, label=title, title=title)
