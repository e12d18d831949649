"""Figures of a verdict: layers, and benign scores beside the image's."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ACCENT, ATTACKED, MUTED, rgba
from ndcore.figures.style.theme import styled
from ndcore.legible.few_of_many import evenly

MOST_NAMED = 32  # layers that have their name beneath the axis


def _colour(name: str, ink: str) -> str:
    return {"attacked": ATTACKED, "benign": ink}.get(name, ACCENT)


def layer_profile(
    layers: Sequence[str], p_values: dict[str, Sequence[float]], alpha: float, ink: str
) -> go.Figure:
    """How unusual each layer's reading is: its p-value on a log scale, one line per image.

    Args:
        layers: names in the order of the model.
        p_values: image name -> p-value per layer.
        alpha: false-positive rate; drawn as a line.
        ink: #rrggbb of a benign image in the page's theme.
    """
    figure = go.Figure()
    for name, values in p_values.items():
        attacked = name == "attacked"
        figure.add_scatter(
            x=list(layers),
            y=-np.log10(np.clip(np.asarray(values, float), 1e-12, 1)),
            customdata=np.asarray(values, float),
            mode="lines+markers",
            name=f"{name} image",
            line={"color": _colour(name, ink), "width": 2, "dash": "solid" if attacked else "dot"},
            marker={"symbol": "diamond" if attacked else "circle", "size": 8},
            hovertemplate=f"%{{x}}, {name} image<br>p = %{{customdata:.4f}}<extra></extra>",
        )
    figure.add_hline(
        y=-np.log10(alpha),
        line={"color": MUTED, "dash": "dash"},
        annotation={"text": f"p = {alpha:g}"},
        annotation_position="top left",
    )
    ticks = [1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001]
    figure.update_yaxes(
        tickvals=[-np.log10(p) for p in ticks],
        ticktext=[f"{p:g}" for p in ticks],
        rangemode="tozero",
    )
    named = [layers[place] for place in evenly(len(layers), MOST_NAMED)]
    figure.update_xaxes(tickangle=-45, type="category", tickvals=named)
    figure.update_yaxes(title="p-value (higher = more unusual)")
    return styled(figure, height=380, title="Where in the network it looks unusual", legend=True)


def null_distribution(
    benign: NDArray[np.floating],
    scores: dict[str, float],
    threshold: float,
    *,
    label: str,
    ink: str,
) -> go.Figure:
    """Scores of benign images of one predicted class, with the threshold and the images at hand.

    Args:
        benign: (n,) calibration scores.
        scores: image name -> score.
        threshold: alarms lie above it; infinite when there is none.
        label: name of the predicted class.
        ink: #rrggbb of a benign image in the page's theme.
    """
    values = np.asarray(benign, float)
    ends = [*scores.values(), *([threshold] if np.isfinite(threshold) else [])]
    low, high = min([*ends, *values], default=0.0), max([*ends, *values], default=1.0)
    room = 0.03 * max(high - low, 1e-6)  # keeps a line at the end from being cut in half
    span = (low - room, high + room)
    counts, edges = np.histogram(values, bins=48, range=span)
    figure = go.Figure(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            marker={"color": rgba(MUTED, 0.6)},
            name="benign images",
            hovertemplate="score about %{x:.3g}<br>%{y} benign images<extra></extra>",
        )
    )
    lines = [
        (f"{name} image", score, _colour(name, ink), "solid") for name, score in scores.items()
    ]
    if np.isfinite(threshold):
        lines.append(("threshold", threshold, MUTED, "dash"))
    top = max(1, int(counts.max()))
    for name, value, colour, dash in lines:
        figure.add_scatter(
            x=[value, value],
            y=[0, 1.05 * top],
            mode="lines",
            name=f"{name} {value:.2f}",
            line={"color": colour, "width": 2.5, "dash": dash},
            hoverinfo="name",
        )
    figure.update_xaxes(title="score (right = more suspicious)")
    figure.update_yaxes(title="benign images")
    title = f"{len(benign):,} benign images taken for {escape(label)}"
    styled(figure, height=340, title=title, legend=True)
    return figure.update_layout(bargap=0.06)
