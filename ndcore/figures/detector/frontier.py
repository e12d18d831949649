"""What an attacker who knows the detector pays: success and queries against detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from ndcore.figures.style.error_bars import rate_bar
from ndcore.figures.style.palette import ATTACKED
from ndcore.figures.style.theme import styled
from ndcore.statistics.intervals import Rate

SYMBOLS = ("diamond", "circle", "square", "triangle-up", "cross", "star")


@dataclass(frozen=True)
class Adversary:
    """One attacker against the frozen detector.

    Attributes:
        name: as in the study.
        success: flipped images among those attacked.
        detected: flagged ones among the flipped.
        evasion: flipped and not flagged, among those attacked.
        queries: per success, on average.
    """

    name: str
    success: Rate
    detected: Rate
    evasion: Rate
    queries: float


def frontier(adversaries: Sequence[Adversary], *, alpha: float) -> go.Figure:
    """One mark per attacker with both intervals.

    Args:
        adversaries: the plain attack first.
        alpha: false-positive rate of the detector's threshold.
    """
    figure = go.Figure()
    for place, one in enumerate(adversaries):
        figure.add_scatter(
            x=[one.success.share],
            y=[one.detected.share],
            error_x=rate_bar(one.success),
            error_y=rate_bar(one.detected),
            mode="markers",
            name=f"{one.name}: unnoticed {one.evasion.percent()}, {one.queries:,.0f} queries",
            marker={
                "color": ATTACKED,
                "symbol": SYMBOLS[place % len(SYMBOLS)],
                "size": 13,
            },
            hovertemplate=f"{one.name}, n = {one.success.n}<br>breaks %{{x:.1%}}"
            "<br>caught %{y:.1%}<extra></extra>",
        )
    figure.update_xaxes(
        title="images broken (of those attacked)", rangemode="tozero", tickformat=".0%"
    )
    figure.update_yaxes(title="of these caught", range=[-0.03, 1.05], tickformat=".0%")
    title = f"Images broken against attacks caught ({100 * alpha:g}% false alarms)"
    styled(figure, height=480, title=title, legend=True)
    # Names with numbers are long: one below the other, under the plot.
    return figure.update_layout(
        legend={"orientation": "v", "y": -0.2, "yanchor": "top"}, margin={"t": 44}
    )
