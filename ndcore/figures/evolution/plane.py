"""Things laid out by likeness with their groups: units of a layer, or patches of a unit.

A group's average image stands in a circle at its centre whose radius grows with the group.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", sections
3.2.3 and 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import FRAME, cluster_colours, rgba
from ndcore.figures.style.pixel_image import data_uri
from ndcore.figures.style.theme import styled

SYMBOLS = ("circle", "diamond", "square", "triangle-up", "cross", "x", "star", "pentagon")
SMALLEST, LARGEST = 0.04, 0.14  # radius, in shares of the plane's width


def radii(sizes: NDArray[np.integer], span: float) -> NDArray[np.float64]:
    """Radius of each group's circle: its area grows with the number of members.

    Args:
        sizes: members per group.
        span: width of the plane.
    """
    shares = sizes / max(int(sizes.max()), 1)
    return np.asarray(span * np.maximum(SMALLEST, LARGEST * np.sqrt(shares)))


class Groups(Protocol):
    """Things and the groups they fall into, such as `UnitClusters` and `Facets`."""

    @property
    def places(self) -> NDArray[np.floating]:
        """Of the things, (n, 2)."""

    @property
    def labels(self) -> NDArray[np.integer]:
        """Group of each, (n,)."""

    @property
    def centres(self) -> NDArray[np.floating]:
        """Of the groups, (groups, 2)."""

    @property
    def sizes(self) -> NDArray[np.integer]:
        """Members per group."""


def plane_figure(
    groups: Groups,
    *,
    title: str,
    group: str,
    tips: Sequence[str],
    pictures: Sequence[bytes | None],
    ink: str,
    chosen: int | None = None,
    covered: bool = False,
) -> go.Figure:
    """The plane; dots carry their index as `customdata`.

    Args:
        groups: what lies on it.
        title: heading.
        group: what a group is called, such as "cluster".
        tips: what to say on pointing at each thing.
        pictures: PNG of each group's average, None for none.
        ink: #rrggbb of the chosen thing's ring in the page's theme.
        chosen: index of a thing to ring, or None.
        covered: the pictures lie over the dots, which are many, instead of under them.
    """
    figure = go.Figure()
    places, sizes = groups.places, groups.sizes
    around = np.concatenate([places, groups.centres])
    low, high = around.min(0), around.max(0)
    span = float((high - low).max()) or 1.0
    reaches = radii(sizes, span)
    colours = cluster_colours(len(sizes))
    for centre, reach, picture, colour in zip(
        groups.centres, reaches, pictures, colours, strict=True
    ):
        _circle(figure, centre, reach, colour)
        if picture is not None:
            _picture(figure, centre, reach, picture, "above" if covered else "below")
    for number, size in enumerate(sizes):
        members = np.flatnonzero(groups.labels == number)
        figure.add_scatter(
            x=places[members, 0],
            y=places[members, 1],
            customdata=[[int(member)] for member in members],
            text=[tips[int(member)] for member in members],
            mode="markers",
            name=f"{group} {number + 1} ({size})",
            marker={
                "color": colours[number],
                "symbol": SYMBOLS[number % len(SYMBOLS)],
                "size": 5 if covered else 8,
                "line": {"width": 0 if covered else 0.8, "color": FRAME[1]},
            },
            unselected={"marker": {"opacity": 1}},
            hovertemplate=f"%{{text}}<br>{group} {number + 1}<extra></extra>",
        )
    if chosen is not None:
        figure.add_scatter(
            x=[places[chosen, 0]],
            y=[places[chosen, 1]],
            mode="markers",
            marker={"symbol": "circle-open", "size": 18, "color": ink, "line": {"width": 3}},
            hoverinfo="skip",
            showlegend=False,
        )
    margin = 0.02 * span + float(reaches.max())
    for axis, at in (("xaxis", 0), ("yaxis", 1)):
        figure.layout[axis].update(
            range=[float(low[at]) - margin, float(high[at]) + margin],
            showticklabels=False,
            showgrid=False,
            zeroline=False,
        )
    # Of the domain: ranges that are widened to fit stay so when the figure is laid out again.
    figure.update_xaxes(constrain="domain")
    figure.update_yaxes(scaleanchor="x", scaleratio=1, constrain="domain")
    styled(figure, height=520 if covered else 440, title=title, below=True)
    return figure.update_layout(
        legend_font_size=12,
        dragmode=False,
        clickmode="event+select",
        hovermode="closest",
    )


def _circle(figure: go.Figure, centre: NDArray[np.floating], reach: float, colour: str) -> None:
    (x, y), reach = centre.tolist(), float(reach)
    figure.add_shape(
        type="circle",
        x0=x - reach,
        x1=x + reach,
        y0=y - reach,
        y1=y + reach,
        line={"color": colour, "width": 3},
        fillcolor=rgba(colour, 0.25),
        layer="below",
    )


def _picture(
    figure: go.Figure, centre: NDArray[np.floating], reach: float, picture: bytes, layer: str
) -> None:
    """A PNG in the largest square in the circle."""
    x, y = centre.tolist()
    side = float(reach * np.sqrt(2) * 0.97)
    figure.add_layout_image(
        source=data_uri("png", picture),
        xref="x",
        yref="y",
        x=x,
        y=y,
        xanchor="center",
        yanchor="middle",
        sizex=side,
        sizey=side,
        sizing="contain",
        layer=layer,
    )
