"""Figures of an attack: class probabilities before and after, and the course of the search."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ATTACKED, MUTED, class_colours, distinct_colours, rgba
from ndcore.figures.style.theme import styled
from ndcore.legible.few_of_many import largest

MOST_CLASSES = 12
SMALL = 0.02  # probabilities below this get no number beside their bar


def probability_bars(
    classes: Sequence[str],
    before: NDArray[np.floating],
    after: NDArray[np.floating] | None = None,
    *,
    true: int | None = None,
    kind: str = "attacked",
) -> go.Figure:
    """Probability of every class in the class's own colour: pale before, full after.

    Of many classes the likeliest are drawn, and the true one.

    Args:
        classes: names in label order.
        before: (classes,) of the benign image.
        after: (classes,) of the attacked image, if there is one.
        true: position of the true class, marked with a star.
        kind: what `after` is of, in a word or two.
    """
    colours = class_colours(len(classes))
    drawn = list(range(len(classes)))
    if len(classes) > MOST_CLASSES:
        likely = np.maximum(before, before if after is None else after).astype(float)
        if true is not None:
            likely[true] = 1
        drawn = largest(likely, MOST_CLASSES).tolist()
        colours = distinct_colours(drawn, len(classes))
    # Plotly reads tags in its texts.
    names = [escape(classes[label]) + (" ★" if label == true else "") for label in drawn]
    rows = [("benign", before, MUTED, 0.4 if after is not None else 1.0)]
    title = "What the model believes"
    if after is not None:
        rows.append((kind, after, ATTACKED, 1.0))
        title += f": benign pale, {kind} full"
    if len(drawn) < len(classes):
        title += f" (the {len(drawn)} likeliest of {len(classes):,})"
    figure = go.Figure()
    for name, all_values, edge, opacity in rows:
        values = np.asarray(all_values, float)[drawn]
        top = int(np.argmax(values))
        figure.add_bar(
            y=names,
            x=values,
            orientation="h",
            marker={
                "color": [rgba(colour, opacity) for colour in colours],
                "line": {"color": edge, "width": 1.2},
            },
            text=[
                f"<b>{value:.1%}</b> {name}"
                if index == top
                else f"{value:.1%}"
                if value >= SMALL
                else ""
                for index, value in enumerate(values.tolist())
            ],
            textposition="outside",
            textfont={"size": 10},
            constraintext="none",
            cliponaxis=False,
            hovertemplate=f"{name}, %{{y}}: %{{x:.2%}}<extra></extra>",
        )
    figure.update_yaxes(autorange="reversed", type="category")
    figure.update_xaxes(range=[0, 1.3], tickvals=[0, 0.25, 0.5, 0.75, 1], tickformat=".0%")
    per_class = 20 if after is not None else 18
    return styled(figure, height=84 + per_class * len(drawn), title=title)


def search_course(
    history: Sequence[tuple[int, float]], *, target: str = "", true: str = ""
) -> go.Figure:
    """Best probability found so far over the queries spent.

    Args:
        history: (queries, probability) after each generation.
        target: class to reach, "" for an untargeted attack.
        true: class to leave, for an untargeted attack.
    """
    figure = go.Figure(
        go.Scatter(
            x=[queries for queries, _ in history],
            y=[best for _, best in history],
            mode="lines+markers",
            line={"color": ATTACKED, "width": 2, "shape": "hv"},
            marker={"size": 5},
            hovertemplate="%{x:,} queries<br>%{y:.1%}<extra></extra>",
        )
    )
    label = f"probability of {escape(target or true or 'the true class')}"
    figure.update_yaxes(range=[0, 1.03], tickformat=".0%", title=label)
    figure.update_xaxes(
        title="queries (images shown to the model)", rangemode="tozero", tickformat=","
    )
    direction = "highest" if target else "lowest"
    return styled(figure, height=270, title=f"The search: {direction} probability so far")
