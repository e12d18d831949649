"""The network over its epochs: layers x epochs as a heat map, and what training says beneath.

The slider above it moves a cursor through the epochs in the browser alone; the dots at the right
are the values of the layers at that epoch.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from ndcore.figures.evolution.cursor import PROFILE, MacroRun, Values, add_cursor, short
from ndcore.figures.evolution.curves import add_curves, add_vulnerability
from ndcore.figures.style.palette import MUTED
from ndcore.figures.style.ramp import ramp_scale
from ndcore.figures.style.theme import styled

ROW_PX, LOSS_PX, ERROR_PX, VULNERABLE_PX = 25, 96, 130, 120
TOP_PX, BOTTOM_PX, LINE_PX, GAP_PX = 92, 104, 26, 20
MOST_GAPS = 60  # more columns stand side by side without a gap
# Rows of many layers are lower, for the map to be in view whole, down to where names can be read.
MAP_PX, LEAST_ROW_PX, NAME_PX = 460, 12, 12
DIGIT_PX = 15  # a cell with digits is at least so wide


def macro_width(runs: Sequence[MacroRun]) -> int:
    """CSS pixels that the figure takes for the digits to fit into its cells."""
    epochs = max(len(run.epochs) for run in runs)
    return round(DIGIT_PX * epochs * len(runs) / (1 - PROFILE)) + 90


def macro_figure(
    runs: Sequence[MacroRun],
    rows: Sequence[str],
    *,
    metric: str,
    local: bool,
    warned: Sequence[str] = (),
    start: int | None = None,
    chosen: int | None = None,
) -> go.Figure:
    """The overview of one run, or of two side by side.

    A cell's `customdata` is [run, row, epoch].

    Args:
        runs: one or two, with values for the same rows.
        rows: names of the layers, the first at the top.
        metric: name of what the colours show.
        local: each row has a colour scale of its own, from its smallest to its largest value.
        warned: rows with a warning.
        start: epoch that the slider stands at; the last one where it is None.
        chosen: row whose cell at that epoch is marked, or None.
    """
    vulnerable = any(run.vulnerability for run in runs)
    map_px = _row_px(rows) * len(rows)
    heights = [map_px, LOSS_PX, ERROR_PX, *([VULNERABLE_PX] if vulnerable else [])]
    count, inner = len(runs), sum(heights) + GAP_PX * (len(heights) - 1)
    figure = make_subplots(
        rows=len(heights),
        cols=count + 1,
        shared_xaxes=True,
        row_heights=heights,
        column_widths=[(1 - PROFILE) / count] * count + [PROFILE],
        vertical_spacing=GAP_PX / inner,
        horizontal_spacing=0.02,
        specs=[[{}] * (count + 1)] + [[{}] * count + [None]] * (len(heights) - 1),
    )
    losses = [run.curves[f"{part}_loss"] for run in runs for part in ("train", "validation")]
    loss_top = 1.05 * float(np.nanmax(np.concatenate(losses)))
    shades = _shades([run.values for run in runs], local)
    for at, (run, shade) in enumerate(zip(runs, shades, strict=True)):
        _add_cells(figure, at, run, shade, sum(len(each.epochs) for each in runs))
        add_curves(
            figure,
            run.epochs,
            run.curves,
            run.lowered,
            col=at + 1,
            legend=at == 0,
            loss_top=loss_top,
        )
        if vulnerable:
            add_vulnerability(figure, run.vulnerability, row=4, col=at + 1, legend=at == 0)
    spans: list[list[float]] = [[-0.5, len(rows) - 0.5], [0, loss_top], [0, 1], [0, 1.04]]
    add_cursor(figure, runs, spans[: len(heights)], start, chosen)
    # The legend takes more lines where it says more.
    bottom = BOTTOM_PX + LINE_PX * ((count > 1) + vulnerable)
    styled(figure, height=inner + TOP_PX + bottom, title="", below=True)
    _axes(figure, runs, rows, len(heights), warned)
    _colours(figure, metric, local, shades, heights, inner)
    for at, run in enumerate(runs if count > 1 else ()):
        left, right = figure.layout[f"xaxis{at + 1 if at else ''}"].domain
        figure.add_annotation(
            text=f"<b>{run.name}</b>",
            x=(left + right) / 2,
            y=1,
            xref="paper",
            yref="paper",
            xanchor="center",
            yanchor="bottom",
            showarrow=False,
        )
    return figure.update_layout(
        margin={"t": TOP_PX, "b": bottom, "l": 8, "r": 14},
        legend_font_size=12,
        hovermode="closest",
        hoverdistance=-1,  # a click anywhere in a cell is a click on it
        clickmode="event+select",
        dragmode=False,
    )


def _row_px(rows: Sequence[str]) -> int:
    """How high a row is."""
    return max(LEAST_ROW_PX, min(ROW_PX, MAP_PX // len(rows)))


def _shades(values: Sequence[Values], local: bool) -> list[Values]:
    """What is drawn in colour: the values, or their places in the range of their row."""
    if not local:
        return list(values)
    together = np.concatenate(values, axis=1)
    low, high = np.nanmin(together, axis=1), np.nanmax(together, axis=1)
    span = np.where(high > low, high - low, 1)
    return [(each - low[:, None]) / span[:, None] for each in values]


def _add_cells(figure: go.Figure, at: int, run: MacroRun, shade: Values, columns: int) -> None:
    digits = None if run.digits is None else [[short(v) for v in row] for row in run.digits]
    figure.add_heatmap(
        z=shade,
        x=run.epochs,
        y=list(range(len(shade))),
        text=digits,
        texttemplate=None if digits is None else "%{text}",
        textfont={"size": 9},
        coloraxis="coloraxis",
        hoverinfo="skip",
        xgap=1 if columns <= MOST_GAPS else 0,
        ygap=1,
        row=1,
        col=at + 1,
    )
    cells = [
        (row, int(epoch), tip)
        for row, tips in enumerate(run.tips)
        for epoch, tip in zip(run.epochs, tips, strict=False)
        if tip
    ]
    # A heat map reports no clicks, so unseen marks lie on its cells. They are small: of marks that
    # overlap under the pointer the first would answer, not the one of the cell.
    figure.add_scatter(
        x=[epoch for _, epoch, _ in cells],
        y=[row for row, _, _ in cells],
        customdata=[[at, row, epoch] for row, epoch, _ in cells],
        text=[tip for _, _, tip in cells],
        hovertemplate="%{text}<extra></extra>",
        mode="markers",
        marker={"symbol": "square", "size": 2, "opacity": 0, "color": MUTED},
        selected={"marker": {"opacity": 0}},
        unselected={"marker": {"opacity": 0}},
        showlegend=False,
        row=1,
        col=at + 1,
    )


def _axes(
    figure: go.Figure,
    runs: Sequence[MacroRun],
    rows: Sequence[str],
    panels: int,
    warned: Sequence[str],
) -> None:
    count = len(runs)
    last = max(int(run.epochs[-1]) for run in runs)
    first = min(int(run.epochs[0]) for run in runs)
    names = [f"{name} <b>!</b>" if name in warned else name for name in rows]
    for col in range(1, count + 2):
        figure.update_yaxes(
            range=[len(rows) - 0.5, -0.5],
            tickvals=list(range(len(rows))),
            ticktext=names,
            tickfont={"size": min(NAME_PX, _row_px(rows) - 1)},
            showticklabels=col == 1,
            showgrid=col > count > 1,  # of one run the dots have numbers, which it would cross out
            zeroline=False,
            fixedrange=col > 1,  # its handle would lie on the last epochs of the map to its left
            row=1,
            col=col,
        )
    for row in range(1, panels + 1):
        for col in range(1, count + 1):
            figure.update_xaxes(
                range=[first - 0.5, last + 0.5],
                showgrid=row > 1,
                zeroline=False,
                showticklabels=row == panels,
                tickformat="d",
                dtick=1 if last - first < 12 else None,
                row=row,
                col=col,
            )
            if row > 1:
                figure.update_yaxes(showticklabels=col == 1, row=row, col=col)
    figure.update_xaxes(title={"text": "epoch", "standoff": 10}, row=panels)
    top = float(np.nanmax(np.concatenate([run.values.ravel() for run in runs])))
    figure.update_xaxes(
        range=[-0.06 * top, (1.9 if count == 1 else 1.1) * (top or 1)],
        nticks=3,
        showticklabels=True,
        title={"text": "at this epoch", "standoff": 4, "font": {"size": 10}},
        row=1,
        col=count + 1,
    )


def _colours(
    figure: go.Figure,
    metric: str,
    local: bool,
    shades: Sequence[Values],
    heights: Sequence[int],
    inner: int,
) -> None:
    """The colour bar, in the free corner under the dots."""
    top = 1.0 if local else float(np.nanmax(np.concatenate([s.ravel() for s in shades])) or 1)
    side = figure.layout[f"xaxis{len(shades) + 1}"].domain
    figure.update_layout(
        coloraxis={
            "colorscale": ramp_scale(),
            "cmin": 0,
            "cmax": top,
            "colorbar": {
                "orientation": "h",
                "x": (side[0] + side[1]) / 2,
                "xanchor": "center",
                "y": 1 - (heights[0] + GAP_PX + 60) / inner,
                "yanchor": "top",
                "lenmode": "fraction",
                "len": 0.75 * (side[1] - side[0]),
                "thickness": 10,
                "xpad": 0,
                "tickvals": [0, top],
                "ticktext": ["min", "max"] if local else ["0", f"{top:.3g}"],
                "ticklabeloverflow": "allow",
                "tickfont": {"size": 11},
                "title": {"text": metric, "side": "top", "font": {"size": 10}},
            },
        }
    )
