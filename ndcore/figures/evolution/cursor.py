"""What the slider over the overview moves: lines through its panels, and dots at its right.

Each epoch is a frame of the figure, so that the browser needs no server to scrub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.evolution.curves import readout
from ndcore.figures.style.palette import CLEAR, FRAME, MUTED, RUNS, rgba

Values = NDArray[np.floating]

PROFILE = 0.2  # share of the width for the dots
CELL, LINE = (6.0, 3.0), (4.0, 1.5)  # widths of a frame's white and of the black in it
SYMBOLS = ("circle", "diamond")


@dataclass(frozen=True)
class MacroRun:
    """A run as the overview draws it.

    Attributes:
        name: of the run.
        epochs: numbers, (E,).
        values: of the metric in colour, (rows, E); NaN where the run has no such layer.
        digits: what to write into the cells, (rows, E), or None.
        tips: per row what to say on pointing at it, per epoch; "" for no such layer.
        curves: `train_loss` and the others of `EvolutionRun.curves`, each (E,).
        lowered: the learning rate falls after these epochs.
        vulnerability: rows as `add_vulnerability` takes them.
    """

    name: str
    epochs: NDArray[np.int64]
    values: Values
    digits: Values | None
    tips: Sequence[Sequence[str]]
    curves: Mapping[str, Values]
    lowered: Sequence[float] = ()
    vulnerability: Sequence[Mapping[str, Any]] = ()


def short(value: float) -> str:
    """At most three characters: `.42`, `4.2`, `42`, `420`, `9k`; "" for nothing."""
    if not np.isfinite(value):
        return ""
    for limit, digits in ((0.995, 2), (9.95, 1)):
        if abs(value) < limit:
            return f"{value:.{digits}f}".removeprefix("0")
    return f"{value:.0f}" if abs(value) < 999.5 else f"{value / 1000:.0f}k"


def add_cursor(
    figure: go.Figure,
    runs: Sequence[MacroRun],
    spans: Sequence[Sequence[float]],
    start: int | None = None,
    row: int | None = None,
) -> None:
    """Lines through all panels and the dots at the right, one frame per epoch.

    Args:
        figure: with subplots.
        runs: those drawn.
        spans: what the y axis of each panel shows.
        start: epoch that is shown at first; the last one where it is None.
        row: whose cell at that epoch is marked in the first run, or None.
    """
    everything = sorted({int(number) for run in runs for number in run.epochs})
    epoch = everything[-1] if start is None else start
    if row is not None:
        for colour, width in zip(FRAME[::-1], CELL, strict=True):
            _add_line(figure, {"color": colour, "width": width}, row=1, col=1, x=0)
            figure.data[-1].update(_box(epoch, row - 0.5, row + 0.5))
    first = len(figure.data)
    for at in range(len(runs)):
        for colour, width in zip(FRAME[::-1], LINE, strict=True):
            line = {"color": colour, "width": width}
            _add_line(figure, line, row=1, col=at + 1, x=at)
        for panel in range(2, len(spans) + 1):
            _add_line(figure, {"color": MUTED, "width": 1.5}, row=panel, col=at + 1, x=at)
    for run, symbol, colour in zip(runs, SYMBOLS, RUNS, strict=False):
        figure.add_scatter(
            mode="markers" if len(runs) > 1 else "markers+text",
            marker={"symbol": symbol, "size": 9, "color": colour},
            textposition="middle right",
            textfont={"size": 11},
            cliponaxis=False,  # a dot at 0 is a whole one
            name=run.name,
            showlegend=len(runs) > 1,
            hovertemplate=f"{run.name}: %{{x:.3g}}<extra></extra>",
            row=1,
            col=len(runs) + 1,
        )
    traces = list(range(first, len(figure.data)))
    figure.frames = [
        {"name": str(number), "data": _frame(runs, spans, number), "traces": traces}
        for number in everything
    ]
    for trace, data in zip(traces, _frame(runs, spans, epoch), strict=True):
        figure.data[trace].update(data)
    figure.update_layout(sliders=[_slider(runs, everything, epoch)])


def _frame(
    runs: Sequence[MacroRun], spans: Sequence[Sequence[float]], epoch: int
) -> list[dict[str, Any]]:
    """What each line and each run's dots become at an epoch, in the order they were added."""
    rows = round(spans[0][1] + 0.5)
    data: list[dict[str, Any]] = []
    for run in runs:
        place = epoch if epoch in run.epochs else None
        data += [_box(place, -0.5, rows - 0.5)] * 2
        data += [{"x": [place, place], "y": span} for span in spans[1:]]
    return data + [_profile(run, rows, epoch) for run in runs]


def _slider(runs: Sequence[MacroRun], epochs: Sequence[int], start: int) -> dict[str, Any]:
    # Without a redraw plotly drops the heat map.
    arguments = {
        "mode": "immediate",
        "frame": {"duration": 0, "redraw": True},
        "transition": {"duration": 0},
    }
    told = [(run.name, run.epochs, run.curves) for run in runs]
    return {
        "active": epochs.index(start),
        "steps": [
            {"label": readout(epoch, told), "method": "animate", "args": [[str(epoch)], arguments]}
            for epoch in epochs
        ],
        "transition": {"duration": 0},
        "x": 0,
        # The thumb stands above the cursor where there is one heat map.
        "len": 1 - PROFILE if len(runs) == 1 else 1,
        "y": 1,
        "yanchor": "bottom",
        "pad": {"t": 0, "b": 22 if len(runs) > 1 else 6, "l": 0, "r": 0},
        # The labels of the steps are read in the line above the slider alone.
        "font": {"size": 1, "color": CLEAR},
        # Thin and grey in both themes; a template of the page would make it white in the dark.
        "bgcolor": rgba(MUTED, 0.25),
        "activebgcolor": MUTED,
        "bordercolor": MUTED,
        "borderwidth": 1,
        "ticklen": 0,
        "minorticklen": 0,
        # Its colour is named, or it would be as clear as those labels.
        "currentvalue": {"xanchor": "left", "font": {"size": 12, "color": MUTED}, "offset": 8},
    }


def _add_line(figure: go.Figure, line: dict[str, Any], *, row: int, col: int, x: int) -> None:
    figure.add_scatter(
        x=[x, x],
        y=[0, 1],
        mode="lines",
        line=line,
        hoverinfo="skip",
        showlegend=False,
        row=row,
        col=col,
    )


def _box(epoch: float | None, top: float, bottom: float) -> dict[str, Any]:
    """A frame around cells of an epoch, which hides none of their digits."""
    if epoch is None:
        return {"x": [None], "y": [None]}
    left, right = epoch - 0.5, epoch + 0.5
    return {"x": [left, right, right, left, left], "y": [top, top, bottom, bottom, top]}


def _profile(run: MacroRun, rows: int, epoch: int) -> dict[str, Any]:
    if epoch not in run.epochs:
        return {"x": [None] * rows, "y": list(range(rows)), "text": [""] * rows}
    values = run.values[:, run.epochs.tolist().index(epoch)]
    return {
        "x": [float(v) if np.isfinite(v) else None for v in values],
        "y": list(range(rows)),
        "text": [f" {short(v)}" for v in values],
    }
