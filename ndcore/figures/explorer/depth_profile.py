"""The depth profile as a chart: divergence over layers, with parting and turning point."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

import numpy as np
import plotly.graph_objects as go

from ndcore.figures.style.palette import ATTACKED, MUTED
from ndcore.figures.style.theme import styled
from ndcore.legible.few_of_many import evenly

if TYPE_CHECKING:
    from ndcore.analysis.depth import DepthProfile

MEASURES = {
    "score": "divergence in class spreads",
    "percentile": "percentile among benign images",
}
DASHES = {"predicted": "solid", "true": "dash", "runner-up": "dot"}
ENDINGS = {"predicted": "", "true": "-open", "runner-up": "-x-open"}
LEAST = 0.01  # a log axis has no 0
MOST_NAMED = 32  # layers that have their name beneath the axis
STRIP = 0.15  # of the height, above the lines, for the names of the two layers


def depth_figure(
    profile: DepthProfile, classes: Sequence[str], benign_colour: str, measure: str = "score"
) -> go.Figure:
    """One line per image and class.

    Args:
        profile: of one or two images.
        classes: names in label order.
        benign_colour: #rrggbb of the benign image in the page's theme.
        measure: a key of `MEASURES`.
    """
    figure = go.Figure()
    places = list(range(len(profile.layers)))
    for image, name in enumerate(profile.images):
        attacked = name == "attacked"
        colour = ATTACKED if attacked else benign_colour
        for label, roles in profile.roles(image).items():
            scores, percentiles = profile.score(image, label), profile.percentile(image, label)
            figure.add_scatter(
                x=places,
                y=np.maximum(scores, LEAST) if measure == "score" else percentiles,
                customdata=[
                    [
                        layer,
                        f"{score:.2f}",
                        "none to compare with" if rank != rank else f"{rank:.0f}",
                    ]
                    for layer, score, rank in zip(profile.layers, scores, percentiles, strict=True)
                ],
                mode="lines+markers",
                name=f"{name} from {escape(classes[label])} ({', '.join(roles)})",
                line={"color": colour, "width": 2, "dash": DASHES[roles[0]]},
                marker={
                    "symbol": ("diamond" if attacked else "circle") + ENDINGS[roles[0]],
                    "size": 9,
                    "color": colour,
                },
                hovertemplate=f"%{{customdata[0]}}, {name} from {escape(classes[label])}<br>"
                "%{customdata[1]} class spreads<br>percentile %{customdata[2]}<extra></extra>",
            )
    marks = (
        ("parting", profile.parting, "dot", 0.0),
        ("turning point", profile.turning_point, "dash", 0.5),
    )
    for words, layer, dash, height in marks:
        if layer is not None:
            _mark(figure, words, profile.layers.index(layer), len(places), dash, height)
    named = evenly(len(places), MOST_NAMED)
    figure.update_xaxes(
        tickvals=named,
        ticktext=[profile.layers[place] for place in named],
        tickangle=-45,
        range=[-0.5, len(places) - 0.5],
    )
    figure.update_yaxes(
        title=MEASURES[measure], domain=[0, 1 - STRIP if figure.layout.shapes else 1]
    )
    if measure == "score":
        # Late layers lie a hundred times farther from a foreign class than early ones.
        figure.update_yaxes(type="log", dtick=1, exponentformat="none")
        figure.update_yaxes(title=f"{MEASURES[measure]} (log)")
    else:
        figure.update_yaxes(range=[-3, 103], tickvals=[0, 25, 50, 75, 100])
    title = "Distance from the classes, layer by layer"
    return styled(figure, height=520, title=title, below=True)


def _mark(figure: go.Figure, words: str, place: int, count: int, dash: str, height: float) -> None:
    """A vertical line up to its words, which stand on the side with more room."""
    top = 1 - STRIP * (1 - height) + 0.04
    figure.add_shape(
        type="line",
        x0=place,
        x1=place,
        y0=0,
        y1=top,
        yref="paper",
        line={"color": MUTED, "width": 2, "dash": dash},
    )
    right = place > count / 2
    figure.add_annotation(
        x=place,
        y=top,
        yref="paper",
        text=words,
        showarrow=False,
        xanchor="right" if right else "left",
        yanchor="middle",
        xshift=-5 if right else 5,
        font_size=13,
    )
