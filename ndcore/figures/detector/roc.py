"""ROC curves of attack detectors, with the operating point of one threshold."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go
from numpy.typing import NDArray

from ndcore.figures.style.palette import ACCENT, MUTED, method_colours
from ndcore.figures.style.theme import styled

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
LEAST_FPR = 1e-3  # left end of the logarithmic axis
TICKS = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5, 1)
POINTS = 400


def operating_point(
    benign: NDArray[np.floating], attacked: NDArray[np.floating], threshold: float
) -> tuple[float, float]:
    """False- and true-positive rate of the rule "alarm above the threshold".

    Args:
        benign: (n,) scores of benign images.
        attacked: (m,) scores of attacked images.
        threshold: scores above it raise an alarm.
    """
    rates = [
        float((np.asarray(s) > threshold).mean()) if len(s) else 0.0 for s in (benign, attacked)
    ]
    return rates[0], rates[1]


def roc_figure(
    scores: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
    *,
    point: tuple[float, float] | None = None,
) -> go.Figure:
    """One curve per detector.

    Args:
        scores: detector -> scores of benign (n,) and of attacked images (m,); larger = more
            suspicious. The first is drawn strongest.
        point: false- and true-positive rate to mark.
    """
    figure = go.Figure()
    colours = method_colours(len(scores))
    for place, (name, (benign, attacked)) in enumerate(scores.items()):
        fpr, tpr = _curve(np.asarray(benign, float), np.asarray(attacked, float))
        figure.add_scatter(
            x=np.maximum(fpr, LEAST_FPR),
            y=tpr,
            mode="lines",
            name=name,
            line={
                "color": colours[place],
                "width": 3 if place == 0 else 1.8,
                "dash": DASHES[place % len(DASHES)],
                "shape": "hv",
            },
            hovertemplate=f"{name}<br>false alarms %{{x:.2%}}<br>caught %{{y:.1%}}<extra></extra>",
        )
    chance = np.geomspace(LEAST_FPR, 1, 50)
    figure.add_scatter(
        x=chance,
        y=chance,
        mode="lines",
        name="chance",
        showlegend=False,
        line={"color": MUTED, "width": 1, "dash": "dot"},
        hoverinfo="skip",
    )
    if point is not None:
        figure.add_scatter(
            x=[max(point[0], LEAST_FPR)],
            y=[point[1]],
            mode="markers",
            name="threshold",
            showlegend=False,
            marker={"color": ACCENT, "size": 13, "symbol": "diamond-open", "line": {"width": 3}},
            hovertemplate="threshold<br>false alarms %{x:.2%}<br>caught %{y:.1%}<extra></extra>",
        )
    figure.update_xaxes(
        title="false alarms among benign images",
        type="log",
        range=[np.log10(LEAST_FPR), 0],
        tickvals=TICKS,
        ticktext=[f"{100 * tick:g}%" for tick in TICKS],
    )
    figure.update_yaxes(title="attacks caught", range=[0, 1.05], tickformat=".0%")
    return styled(figure, height=400, title="Attacks caught against false alarms", below=True)


def _curve(
    benign: NDArray[np.float64], attacked: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates at every threshold, thinned to what a picture can show."""
    cuts = np.unique(np.concatenate([benign, attacked]))[::-1]
    if len(cuts) > POINTS:
        cuts = cuts[np.unique(np.linspace(0, len(cuts) - 1, POINTS).astype(int))]
    rates = []
    for scores in (benign, attacked):
        ordered = np.sort(scores)
        at_least = len(ordered) - np.searchsorted(ordered, cuts, side="left")
        rates.append(np.concatenate([[0.0], at_least / max(1, len(ordered)), [1.0]]))
    return rates[0], rates[1]
