"""The mapper graph: nodes as dots, edges as lines, and images laid on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import unescape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ATTACKED, CLEAR, MUTED, rgba
from ndcore.figures.style.ramp import ramp_scale
from ndcore.figures.style.theme import styled
from ndcore.figures.topology.colouring import Groups, Values
from ndcore.figures.topology.name_spots import name_spots

SMALLEST, LARGEST = 7.0, 26.0  # diameter in CSS pixels
STRONG = (0.0, 0.1, 0.25, 0.5)  # from these shares on an edge is drawn wider
WIDTHS = (1.0, 1.8, 3.0, 4.6)
GREY = rgba(MUTED, 0.3)
STABLE = 1.0  # an edge that is kept by a smaller share of the variants is dashed


@dataclass(frozen=True)
class Picture:
    """What is drawn.

    Attributes:
        places: (nodes, 2).
        sizes: int (nodes,), images.
        edges: int (E, 2); jaccard: (E,).
        tips: what to say on pointing at each node, as plotly's text.
        lit: bool (nodes,); others are grey.
        least: edges that share less are left out.
        stable: (E,), share of the variants that keep each edge, where it was looked at.
    """

    places: NDArray[np.floating]
    sizes: NDArray[np.integer]
    edges: NDArray[np.integer]
    jaccard: NDArray[np.floating]
    tips: Sequence[str]
    lit: NDArray[np.bool_]
    least: float = 0.0
    stable: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Laid:
    """What is laid on a graph.

    Attributes:
        chosen: a node with a ring; -1 for none.
        linked: (nodes,), share of the images of a node chosen elsewhere that each node has.
        benign, attacked: nodes of the current pair's images.
        path: nodes from the one to the other.
        beside: which of them lie in no node, so that the nearest one is marked.
    """

    chosen: int = -1
    linked: NDArray[np.floating] | None = None
    benign: Sequence[int] = ()
    attacked: Sequence[int] = ()
    path: Sequence[int] = ()
    beside: frozenset[str] = field(default_factory=frozenset)


def diameters(sizes: NDArray[np.integer]) -> NDArray[np.float64]:
    """Of nodes, growing with the logarithm of their images."""
    grown = np.log(np.maximum(sizes, 1))
    most = max(float(grown.max(initial=0)), np.log(100))
    return np.asarray(SMALLEST + (LARGEST - SMALLEST) * grown / most, np.float64)


def graph_figure(
    picture: Picture, colours: Groups | Values, laid: Laid, *, title: str, ink: str, height: int
) -> go.Figure:
    """The graph; dots carry their node as `customdata`.

    Args:
        picture: nodes and edges.
        colours: of the nodes.
        laid: on them.
        title: heading, as plotly's text.
        ink: #rrggbb of the benign image and of what is chosen, in the page's theme.
        height: in CSS pixels.
    """
    figure = go.Figure()
    _edges(figure, picture)
    _marks_below(figure, picture, laid, ink)
    if isinstance(colours, Groups):
        _groups(figure, picture, colours)
    else:
        _values(figure, picture, colours)
    _marks_above(figure, picture, laid, ink)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    styled(figure, height=height, title=title, below=isinstance(colours, Groups))
    return figure.update_layout(
        legend_font_size=12,
        legend_itemsizing="constant",
        dragmode="pan",
        clickmode="event+select",
        hovermode="closest",
    )


def _edges(figure: go.Figure, picture: Picture) -> None:
    shown = picture.jaccard >= picture.least
    ends = picture.places[picture.edges]
    grey = ~(picture.lit[picture.edges].all(1))
    width = np.searchsorted(STRONG, picture.jaccard, side="right") - 1
    firm = np.ones(len(picture.edges), np.bool_)
    if picture.stable is not None:
        firm = picture.stable >= STABLE
    for level, across in enumerate(WIDTHS):
        for faint in (True, False):
            for dash in (False, True):
                rows = shown & (width == level) & (grey == faint) & (firm != dash)
                if not rows.any():
                    continue
                x, y = (_with_gaps(ends[rows, :, axis]) for axis in (0, 1))
                figure.add_scatter(
                    x=x,
                    y=y,
                    mode="lines",
                    line={
                        "width": across,
                        "color": GREY if faint else MUTED,
                        "dash": "dot" if dash else "solid",
                    },
                    hoverinfo="skip",
                    showlegend=False,
                )
    _edge_tips(figure, picture, shown)


def _edge_tips(figure: go.Figure, picture: Picture, shown: NDArray[np.bool_]) -> None:
    """Unseen dots at the middles of edges, that say what they share."""
    if not shown.any():
        return
    middles = picture.places[picture.edges[shown]].mean(1)
    told = [f"edge: {100 * share:.0f}% of the images in both" for share in picture.jaccard[shown]]
    if picture.stable is not None:
        told = [
            f"{words}<br>kept by {100 * share:.0f}% of the changed settings"
            for words, share in zip(told, picture.stable[shown], strict=True)
        ]
    figure.add_scatter(
        x=middles[:, 0],
        y=middles[:, 1],
        mode="markers",
        marker={"size": 8, "color": CLEAR},
        text=told,
        hovertemplate="%{text}<extra></extra>",
        showlegend=False,
    )


def _dots(
    figure: go.Figure,
    picture: Picture,
    rows: NDArray[np.integer],
    marker: dict[str, object],
    **more: object,
) -> None:
    figure.add_scatter(
        x=picture.places[rows, 0],
        y=picture.places[rows, 1],
        customdata=[[int(node)] for node in rows],
        text=[picture.tips[int(node)] for node in rows],
        mode="markers",
        marker={"opacity": 1} | marker,
        unselected={"marker": {"opacity": 1}},
        hovertemplate="%{text}<extra></extra>",
        **more,
    )


def _unlit(figure: go.Figure, picture: Picture) -> None:
    rows = np.flatnonzero(~picture.lit)
    if len(rows):
        size = diameters(picture.sizes)[rows]
        _dots(figure, picture, rows, {"size": size, "color": GREY}, showlegend=False)


def _groups(figure: go.Figure, picture: Picture, colours: Groups) -> None:
    _unlit(figure, picture)
    sizes = diameters(picture.sizes)
    shown: list[tuple[str, NDArray[np.integer]]] = []
    for number, (name, colour) in enumerate(zip(colours.names, colours.colours, strict=True)):
        rows = np.flatnonzero((colours.of == number) & picture.lit)
        if not len(rows):
            continue
        marker = {
            "size": sizes[rows],
            "color": [rgba(colour, float(share)) for share in colours.opacity[rows]],
            "line": {"width": 1, "color": colour},
        }
        _dots(figure, picture, rows, marker, name=name, legendgroup=name, showlegend=False)
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            marker={"size": 11, "color": colour},
            name=name,
            legendgroup=name,
        )
        shown.append((name, rows))
    _names(figure, picture, shown)


def _names(
    figure: go.Figure, picture: Picture, shown: Sequence[tuple[str, NDArray[np.integer]]]
) -> None:
    """Each class beside one of its nodes, so that it is told without its colour."""
    names, rows = [unescape(name) for name, _ in shown], [each for _, each in shown]
    spots = name_spots(picture.places, diameters(picture.sizes), rows, names)
    for (name, _), spot in zip(shown, spots, strict=True):
        x, y = picture.places[spot.node].tolist()
        figure.add_annotation(
            x=x,
            y=y,
            text=name,
            showarrow=False,
            xshift=spot.right,
            yshift=spot.up,
            font={"size": 12},
            captureevents=False,
        )


def _values(figure: go.Figure, picture: Picture, colours: Values) -> None:
    _unlit(figure, picture)
    sizes, known = diameters(picture.sizes), np.isfinite(colours.of)
    rows = np.flatnonzero(picture.lit & ~known)
    if len(rows):
        marker = {"size": sizes[rows], "color": CLEAR, "line": {"width": 1.5, "color": MUTED}}
        _dots(figure, picture, rows, marker, showlegend=False)
    rows = np.flatnonzero(picture.lit & known)
    if len(rows):
        marker = {
            "size": sizes[rows],
            "color": colours.of[rows],
            "colorscale": ramp_scale(),
            "cmin": colours.low,
            "cmax": colours.high,
            "line": {"width": 1, "color": MUTED},
            "colorbar": {
                "title": {"text": colours.title, "font": {"size": 12}, "side": "top"},
                "orientation": "h",
                "y": 0,
                "yanchor": "top",
                "thickness": 10,
                "len": 0.8,
                "outlinewidth": 0,
                "tickformat": ".0%" if colours.shares else ".3~g",
            },
        }
        _dots(figure, picture, rows, marker, showlegend=False)


def _marks_below(figure: go.Figure, picture: Picture, laid: Laid, ink: str) -> None:
    if laid.linked is not None:
        rows = np.flatnonzero(laid.linked > 0)
        size = diameters(picture.sizes)[rows] + 6 + 14 * laid.linked[rows]
        _ring(figure, picture, rows, size, rgba(ink, 0.28), "circle")
    if len(laid.path) > 1:
        way = picture.places[list(laid.path)]
        figure.add_scatter(
            x=way[:, 0],
            y=way[:, 1],
            mode="lines",
            line={"width": 7, "color": rgba(ATTACKED, 0.55)},
            hoverinfo="skip",
            name="way from the benign to the attacked image",
        )


def _marks_above(figure: go.Figure, picture: Picture, laid: Laid, ink: str) -> None:
    sizes = diameters(picture.sizes)
    if laid.chosen >= 0:
        rows = np.array([laid.chosen])
        _ring(figure, picture, rows, sizes[rows] + 12, ink, "circle-open", width=3)
    for name, nodes, colour, shape in (
        ("benign", laid.benign, ink, "square-open"),
        ("attacked", laid.attacked, ATTACKED, "diamond-open"),
    ):
        if len(nodes):
            rows = np.array(nodes)
            words = "nearest node of the" if name in laid.beside else "the"
            _ring(
                figure,
                picture,
                rows,
                sizes[rows] + (15 if name == "attacked" else 7),
                colour,
                shape if name not in laid.beside else f"{shape.removesuffix('-open')}-open-dot",
                width=2.5,
                name=f"{words} {name} image",
                showlegend=True,
            )


def _ring(
    figure: go.Figure,
    picture: Picture,
    rows: NDArray[np.integer],
    size: NDArray[np.floating],
    colour: str,
    shape: str,
    *,
    width: float = 0,
    **more: object,
) -> None:
    look = {"showlegend": False} | more
    figure.add_scatter(
        x=picture.places[rows, 0],
        y=picture.places[rows, 1],
        mode="markers",
        marker={
            "symbol": shape,
            "size": size,
            "color": colour,
            "line": {"width": width},
            "opacity": 1,
        },
        hoverinfo="skip",
        **look,
    )


def _with_gaps(ends: NDArray[np.floating]) -> list[float | None]:
    """Lines (n, 2) one after another, with a gap after each."""
    found: list[float | None] = []
    for start, end in ends.tolist():
        found += [start, end, None]
    return found
