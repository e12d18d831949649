"""The rows beneath the overview: loss, errors, and how vulnerable the network is per epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.error_bars import error_bars
from ndcore.figures.style.palette import ATTACKED, MUTED, TRAINING, VALIDATION, method_colours

Curves = Mapping[str, NDArray[np.floating]]

LINES = (
    ("train_loss", 2, "training: loss, top-1 error", TRAINING, "solid"),
    ("validation_loss", 2, "validation: loss, top-1 error", VALIDATION, "dash"),
    ("train_top1_error", 3, "training: loss, top-1 error", TRAINING, "solid"),
    ("validation_top1_error", 3, "validation: loss, top-1 error", VALIDATION, "dash"),
    ("train_top5_error", 3, "training: top-5 error", TRAINING, "dot"),
    ("validation_top5_error", 3, "validation: top-5 error", VALIDATION, "dashdot"),
)
RATES = (
    ("flip_rate", "one-pixel flip rate", "{attacked} attacked", ATTACKED, "solid", "circle"),
    (
        "auroc",
        "detector AUROC",
        "{flipped} flipped against {benign} benign",
        method_colours(1)[0],
        "dash",
        "diamond",
    ),
)


def add_curves(
    figure: go.Figure,
    epochs: NDArray[np.integer],
    curves: Curves,
    lowered: Sequence[float],
    *,
    col: int,
    legend: bool,
    loss_top: float,
) -> None:
    """Loss into row 2, errors into row 3.

    Args:
        figure: with subplots.
        epochs: (E,).
        curves: as `EvolutionRun.curves`; names that are missing are not drawn.
        lowered: the learning rate falls after these epochs.
        col: column.
        legend: whether the lines are named.
        loss_top: end of the loss axis; fixed, so that the moving cursor does not change it.
    """
    for key, row, name, colour, dash in LINES:
        # Among five classes or fewer the right one is always one of the first five.
        if key not in curves or ("top5" in key and not curves[key].any()):
            continue
        figure.add_scatter(
            x=epochs,
            y=curves[key],
            mode="lines",
            name=name,
            legendgroup=name,
            # Row 3 has every kind of line.
            showlegend=legend and row == 3,
            line={"color": colour, "dash": dash, "width": 2},
            hovertemplate=f"epoch %{{x}}, {key.replace('_', ' ')} "
            f"%{{y:{'.1%' if row == 3 else '.3g'}}}<extra></extra>",
            row=row,
            col=col,
        )
    figure.update_yaxes(range=[0, loss_top], nticks=4, row=2, col=col)
    figure.update_yaxes(range=[0, 1], tickformat=".0%", nticks=4, row=3, col=col)
    if col == 1:
        figure.update_yaxes(title="loss", row=2, col=col)
        figure.update_yaxes(title="error", row=3, col=col)
    for epoch in lowered:
        for row in (2, 3):
            figure.add_vline(
                x=epoch + 0.5, line={"color": MUTED, "dash": "dot", "width": 1}, row=row, col=col
            )
    for epoch in lowered[:1]:
        figure.add_annotation(
            x=epoch + 0.5,
            y=loss_top,
            text="rate lowered ",
            showarrow=False,
            xanchor="right",
            yanchor="top",
            font={"size": 11},
            row=2,
            col=col,
        )


def add_vulnerability(
    figure: go.Figure, rows: Sequence[Mapping[str, Any]], *, row: int, col: int, legend: bool
) -> None:
    """Flip rate and AUROC with their 95% intervals.

    Args:
        figure: with subplots.
        rows: `epoch`, `flip_rate` of `attacked` images, `flip_ci95`, `auroc` of `flipped` against
            `benign` ones and `auroc_ci95`; rates may be None. May be empty.
        row, col: where.
        legend: whether the lines are named.
    """
    for key, name, told, colour, dash, symbol in RATES:
        known = [each for each in rows if each.get(key) is not None]
        bounds = [
            each.get(f"{key.removesuffix('_rate')}_ci95") or [each[key]] * 2 for each in known
        ]
        figure.add_scatter(
            x=[each["epoch"] for each in known],
            y=[each[key] for each in known],
            error_y=error_bars(
                [(each[key], *ends) for each, ends in zip(known, bounds, strict=True)],
                1.5,
                width=4,
            ),
            customdata=[
                [low, high, told.format(**each)]
                for each, (low, high) in zip(known, bounds, strict=True)
            ],
            mode="lines+markers",
            name=name,
            legendgroup=name,
            showlegend=legend,
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 8},
            hovertemplate=f"epoch %{{x}}, {name} %{{y:.3f}}<br>95% interval "
            "%{customdata[0]:.3f}-%{customdata[1]:.3f}<br>%{customdata[2]} images<extra></extra>",
            row=row,
            col=col,
        )
    figure.update_yaxes(range=[0, 1.04], nticks=4, row=row, col=col)
    if col == 1:
        figure.update_yaxes(title="one pixel", row=row, col=col)


def readout(epoch: int, runs: Sequence[tuple[str, NDArray[np.integer], Curves]]) -> str:
    """The line above the slider: the epoch, and what training says of it.

    Args:
        epoch: number.
        runs: name, epochs and curves of each. One run is told by loss and error, each in training
            and validation; two are told by their validation error alone.
    """
    told = [f"epoch {epoch}"]
    for name, epochs, curves in runs:
        if epoch not in epochs:
            continue
        at = epochs.tolist().index(epoch)
        if len(runs) > 1:
            told.append(f"{name} {100 * curves['validation_top1_error'][at]:.1f}% errors")
            continue
        loss, error = (
            [curves[f"{part}_{what}"][at] for part in ("train", "validation")]
            for what in ("loss", "top1_error")
        )
        told.append(f"loss {loss[0]:.3g}/{loss[1]:.3g}")
        told.append(f"error {100 * error[0]:.1f}/{100 * error[1]:.1f}%")
    return " · ".join(told)
