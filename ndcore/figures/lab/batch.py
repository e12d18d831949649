"""Figures of many attacks: what became of which class, and successes over queries."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ATTACKED, FRAME, MUTED, rgba
from ndcore.figures.style.ramp import ramp_scale
from ndcore.figures.style.theme import styled

HELD = "not broken"
MOST_CLASSES = 12  # of more classes only those that occur get a row or a column


def count_outcomes(
    true: Sequence[int], after: Sequence[int], success: Sequence[bool], classes: int
) -> NDArray[np.int64]:
    """Attacked images by true class and outcome, (classes, classes + 1).

    Column `classes` counts the attacks that failed; the diagonal stays empty.
    """
    counts = np.zeros((classes, classes + 1), np.int64)
    for label, reached, won in zip(true, after, success, strict=True):
        counts[label, reached if won else classes] += 1
    return counts


def class_matrix(
    counts: NDArray[np.integer],
    classes: Sequence[str],
    *,
    title: str,
    held: bool = True,
    marked: tuple[int, int] | None = None,
) -> go.Figure:
    """Counts as a heat map whose filled cells can be clicked.

    Args:
        counts: (classes, classes + 1) from `count_outcomes`.
        classes: names.
        title: heading.
        held: draw the column of failed attacks, empty or not.
        marked: (true class, outcome) of a cell to frame.

    Returns:
        A figure whose second trace has `customdata` (true class, outcome) per filled cell.
    """
    rows = list(range(len(classes)))
    cols = list(range(len(classes) + held))
    if len(classes) > MOST_CLASSES:
        rows = [row for row in rows if counts[row].any()]
        cols = [col for col in cols if counts[:, col].any()]
    names = [*map(escape, classes), HELD]  # plotly reads tags in its texts
    shown = counts[np.ix_(rows, cols)].astype(float)
    most = max(1.0, float(shown.max(initial=0)))
    x, y = [names[col] for col in cols], [names[row] for row in rows]
    # Plotly tells no click on a heat map, so invisible markers over its cells take the clicks.
    figure = go.Figure(
        go.Heatmap(
            z=np.where(shown > 0, shown, np.nan),  # a cell without an image stays empty
            x=x,
            y=y,
            text=[[f"{int(value)}" if value else "" for value in row] for row in shown],
            texttemplate="%{text}",
            textfont={"size": 13},
            colorscale=ramp_scale(0.2),  # a single image stands out from a dark page
            zmin=0,
            zmax=most,
            showscale=False,
            hoverinfo="skip",
            xgap=2,
            ygap=2,
        )
    )
    cells = [(row, col) for row in rows for col in cols if counts[row, col]]
    figure.add_scatter(
        x=[names[col] for _, col in cells],
        y=[names[row] for row, _ in cells],
        customdata=[[row, col, int(counts[row, col])] for row, col in cells],
        mode="markers",
        marker={"size": 20, "symbol": "square", "opacity": 0},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        hovertemplate="true class %{y}<br>outcome %{x}<br>images: %{customdata[2]}<extra></extra>",
        showlegend=False,
    )
    if marked in cells:
        row, col = rows.index(marked[0]), cols.index(marked[1])
        place = {"x0": col - 0.5, "x1": col + 0.5, "y0": row - 0.5, "y1": row + 0.5}
        for colour, width in zip(FRAME, (5, 2), strict=True):
            figure.add_shape(type="rect", line={"color": colour, "width": width}, **place)
    figure.update_xaxes(
        type="category", categoryorder="array", categoryarray=x, side="bottom", tickangle=-45,
        range=[-0.5, len(x) - 0.5], showgrid=False, title="outcome",
    )  # fmt: skip
    figure.update_yaxes(
        type="category", categoryorder="array", categoryarray=y,
        range=[len(y) - 0.5, -0.5], showgrid=False, title="true class",
    )  # fmt: skip
    styled(figure, height=110 + 23 * max(4, len(y)), title=title)
    return figure.update_layout(plot_bgcolor=rgba(MUTED, 0.12))


def success_curve(hits: Sequence[int], attacked: int, most: int) -> go.Figure:
    """Share of attacked images that fell within so many queries.

    Args:
        hits: queries until the first hit, of the successes.
        attacked: images attacked, failures included.
        most: right end of the axis, in queries.
    """
    ordered = sorted(hits)
    x = [1, *ordered, max(most, *ordered, 1)]
    y = [0.0, *((i + 1) / max(1, attacked) for i in range(len(ordered)))]
    y.append(y[-1])
    figure = go.Figure(
        go.Scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": ATTACKED, "width": 2, "shape": "hv"},
            fill="tozeroy",
            fillcolor=rgba(MUTED, 0.12),
            hovertemplate="%{x:,} queries<br>%{y:.1%} broken<extra></extra>",
        )
    )
    figure.update_yaxes(range=[0, 1.03], tickformat=".0%", title="images broken")
    figure.update_xaxes(type="log", title="queries per image (log scale)", tickformat=",d", dtick=1)
    return styled(figure, height=330, title="Broken within so many queries")
