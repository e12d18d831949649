"""The units of a layer over the epochs: a grid of epochs x levels, and a line per unit.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section
3.2.1. The paper does not say which units are exceptional; `exceptional` says what we chose.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ACCENT, APART, MUTED, rgba
from ndcore.figures.style.ramp import opacity_scale
from ndcore.figures.style.theme import styled

LEVELS = 20
FEW = 24
MOST = 8
FENCE = 1.5
SHARE_OF_EPOCHS = 1 / 3
# Steep at first, so that a few units are in sight beside a level that holds most of them.
OPACITIES = ((0, 0), (0.01, 0.16), (0.2, 0.45), (0.5, 0.7), (1, 0.95))
EXCEPTIONAL = (
    "outside the quartiles of the layer's neurons by more than 1.5 times their distance, in at "
    "least a third of the epochs"
)

Values = NDArray[np.floating]


def level_shares(values: Values, top: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How the units of a layer spread over `LEVELS` equal levels of a metric, from 0 on.

    Args:
        values: (units, E), >= 0.
        top: upper end of the highest level; at least the largest value.

    Returns:
        (middle of each level (LEVELS,), share of the units in it (LEVELS, E); columns sum to 1).
    """
    height = (top or 1.0) / LEVELS
    place = np.clip((values / height).astype(np.int64), 0, LEVELS - 1)
    shares = np.stack([(place == level).mean(0) for level in range(LEVELS)])
    middles = (np.arange(LEVELS, dtype=np.float64) + 0.5) * float(height)
    return middles, shares.astype(np.float64)


def exceptional(values: Values, most: int = MOST) -> list[int]:
    """Units that stay apart from the others, the most exceptional first.

    A unit is exceptional where it lies below the first or above the third quartile of the layer
    by more than 1.5 times the distance of the two, in at least a third of the epochs.

    Args:
        values: (units, E).
        most: at most so many.
    """
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    reach = FENCE * (high - low)
    beyond = np.maximum(low - reach - values, values - high - reach)
    often = (beyond > 1e-12).mean(1)
    far = (np.maximum(beyond, 0) / np.maximum(values.max(0), 1e-30)).mean(1)
    order = np.lexsort((-far, -often))
    return [int(unit) for unit in order if often[unit] >= SHARE_OF_EPOCHS][:most]


@dataclass(frozen=True)
class Chosen:
    """A unit, drawn in #rrggbb `ink` of the page's theme, and an epoch, or None."""

    unit: int
    ink: str
    epoch: int | None = None


def levels_figure(
    epochs: NDArray[np.integer],
    values: Values,
    *,
    metric: str,
    title: str,
    top: float,
    red: Sequence[int],
    chosen: Chosen | None = None,
) -> go.Figure:
    """The grid, with the lines of few units or of the exceptional ones.

    Lines carry the unit as `customdata`.

    Args:
        epochs: (E,).
        values: (units, E).
        metric: name of the y axis.
        title: heading.
        top: upper end of the levels.
        red: exceptional units.
        chosen: what to mark, or None.
    """
    unit = None if chosen is None else chosen.unit
    middles, shares = level_shares(values, top)
    figure = go.Figure()
    figure.add_heatmap(
        z=shares,
        x=epochs,
        y=middles,
        zmin=0,
        zmax=float(shares.max()),
        colorscale=opacity_scale(ACCENT, OPACITIES),
        hovertemplate="epoch %{x}, level around %{y:.3g}: %{z:.0%} of the neurons<extra></extra>",
        colorbar={
            "title": {"text": "share of neurons", "side": "right", "font": {"size": 12}},
            "tickformat": ".0%",
            "thickness": 10,
            "nticks": 3,
            "tickfont": {"size": 11},
        },
        xgap=1,
        ygap=1,
    )
    rest = range(len(values)) if len(values) <= FEW else ()
    for each in [*(u for u in rest if u not in red and u != unit), *(u for u in red if u != unit)]:
        _line(figure, epochs, values, each, APART if each in red else MUTED, each in red)
    if chosen is not None:
        colour = APART if chosen.unit in red else chosen.ink
        _line(figure, epochs, values, chosen.unit, colour, True, chosen=True)
    if chosen is not None and chosen.epoch is not None:
        figure.add_vline(x=chosen.epoch, line={"color": MUTED, "dash": "dot", "width": 2})
    _name_ends(figure, epochs, values, [*red, *([] if unit in (None, *red) else [unit])], top)
    figure.update_xaxes(title={"text": "epoch", "standoff": 12}, showgrid=False, tickformat="d")
    if len(epochs) < 12:
        figure.update_xaxes(dtick=1)
    # Room at the right for the names of the lines.
    room = 0.07 * (int(epochs[-1]) - int(epochs[0]) + 1)
    figure.update_xaxes(range=[int(epochs[0]) - 0.5, int(epochs[-1]) + 0.5 + room])
    figure.update_yaxes(title=metric, range=[0, top], showgrid=False, zeroline=False)
    styled(figure, height=340, title=title)
    return figure.update_layout(dragmode=False, clickmode="event+select", hovermode="closest")


def _line(
    figure: go.Figure,
    epochs: NDArray[np.integer],
    values: Values,
    unit: int,
    colour: str,
    strong: bool,
    chosen: bool = False,
) -> None:
    figure.add_scatter(
        x=epochs,
        y=values[unit],
        customdata=[[unit]] * len(epochs),
        mode="lines+markers",
        line={"color": rgba(colour, 1 if strong else 0.45), "width": 3.5 if chosen else 1.5},
        marker={"size": 8 if chosen else 5, "symbol": "diamond" if chosen else "circle"},
        # A click chooses a neuron; the others stay as they are.
        unselected={"marker": {"opacity": 1}},
        hovertemplate=f"neuron {unit}, epoch %{{x}}: %{{y:.3g}}<extra></extra>",
        showlegend=False,
    )


def _name_ends(
    figure: go.Figure,
    epochs: NDArray[np.integer],
    values: Values,
    units: Sequence[int | None],
    top: float,
) -> None:
    """Numbers of the units at the right, moved apart where lines end close together."""
    named = sorted((float(values[unit, -1]), unit) for unit in units if unit is not None)
    least, place = 0.055 * top, -np.inf
    for value, unit in named:
        place = max(value, place + least)
        figure.add_annotation(
            x=int(epochs[-1]) + 0.6,
            y=place,
            text=str(unit),
            showarrow=False,
            xanchor="left",
            font={"size": 11},
        )
