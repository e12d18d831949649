"""What is proven at every level of false alarms: certified share against alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ndcore.figures.style.error_bars import rate_bar
from ndcore.figures.style.palette import method_colours
from ndcore.figures.style.theme import styled
from ndcore.statistics.intervals import Rate

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")


@dataclass(frozen=True)
class Level:
    """A detector at one threshold, or a rule without one.

    Attributes:
        allowed: false alarms that the threshold allows; None for a rule without one.
        alarms: benign images that are flagged.
        certified: correct images on which no change of one pixel goes unnoticed.
    """

    allowed: float | None
    alarms: Rate
    certified: Rate


def certified_curve(curves: Mapping[str, Sequence[Level]]) -> go.Figure:
    """One line per detector, a mark for each level; both intervals of a rule without threshold.

    Args:
        curves: by name in words; a rule without a threshold has one level.
    """
    figure = go.Figure()
    colours = method_colours(len(curves))
    for place, (name, levels) in enumerate(curves.items()):
        alone = len(levels) == 1
        bars = {}
        if alone:
            bars = {"error_x": rate_bar(levels[0].alarms), "error_y": rate_bar(levels[0].certified)}
        figure.add_scatter(
            x=[level.alarms.share for level in levels],
            y=[level.certified.share for level in levels],
            mode="markers" if alone else "lines+markers",
            name=name,
            line={"color": colours[place], "dash": DASHES[place % len(DASHES)], "width": 2.4},
            marker={"color": colours[place], "size": 13 if alone else 7},
            text=[
                "no threshold" if level.allowed is None else f"allowed {100 * level.allowed:g}%"
                for level in levels
            ],
            customdata=[level.certified.interval() for level in levels],
            hovertemplate=f"{name}, %{{text}}<br>false alarms %{{x:.1%}}"
            "<br>certified %{y:.1%} (%{customdata})<extra></extra>",
            **bars,
        )
    figure.update_xaxes(title="benign images flagged", rangemode="tozero", tickformat=".0%")
    figure.update_yaxes(title="correct images certified", range=[-0.03, 1.05], tickformat=".0%")
    return styled(
        figure, height=420, title="What is proven against one pixel, and its price", legend=True
    )
