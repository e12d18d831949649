"""Frozen hypotheses: the figure that was chosen on, beside the one that was looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ndcore.figures.style.error_bars import error_bars
from ndcore.figures.style.palette import ACCENT, MUTED
from ndcore.figures.style.theme import styled

APART = 0.16  # between the two marks of a row
NAME = 34  # letters of a name on the axis


@dataclass(frozen=True)
class Look:
    """A hypothesis: its name, and value, lower and upper end of its AUROC on both splits."""

    name: str
    dev: tuple[float, float, float]
    evaluation: tuple[float, float, float]


def frozen_figure(looks: Sequence[Look]) -> go.Figure:
    """One row a hypothesis, the first on top.

    Args:
        looks: in the order in which they were frozen.
    """
    figure = go.Figure()
    for side, name, colour, symbol in (
        (-APART, "dev, chosen on", MUTED, "circle-open"),
        (APART, "evaluation, looked at once", ACCENT, "diamond"),
    ):
        found = [look.dev if side < 0 else look.evaluation for look in looks]
        figure.add_scatter(
            x=[value for value, _, _ in found],
            y=[row + side for row in range(len(looks))],
            error_x=error_bars(found, 2, width=4),
            mode="markers",
            name=name,
            marker={
                "color": colour,
                "symbol": symbol,
                "size": 11,
                "line": {"width": 2.5, "color": colour},
            },
            customdata=[(look.name, *ends) for look, ends in zip(looks, found, strict=True)],
            hovertemplate="%{customdata[0]}<br>" + name + ": AUROC %{x:.3f} "
            "(%{customdata[2]:.3f}-%{customdata[3]:.3f})<extra></extra>",
        )
    figure.add_vline(x=0.5, line={"color": MUTED, "dash": "dot"})
    figure.update_xaxes(title="AUROC with 95% interval (dotted line: chance)")
    figure.update_yaxes(
        tickvals=list(range(len(looks))),
        ticktext=[_short(look.name) for look in looks],
        range=[len(looks) - 0.5, -0.5],
        showgrid=False,
        zeroline=False,
    )
    height = 150 + 44 * len(looks)
    return styled(figure, height=height, title="Chosen on, and looked at once", legend=True)


def _short(name: str) -> str:
    return name if len(name) <= NAME else f"{name[: NAME - 1]}…"
