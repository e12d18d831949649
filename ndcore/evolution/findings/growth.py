"""DV-30: discriminability grows over the epochs, more so in deeper layers, and settles."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndcore.evolution.findings.accuracy import FIGURE_4
from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.findings.series import (
    CLEAR_TREND,
    compared,
    growth,
    rank_correlation,
    require_layer,
)
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.trends import WINDOW

HALF = 0.5  # of what a unit comes to, and of its first steps


def _increases(runs: Runs) -> Outcome:
    figures: dict[str, Any] = {}
    for network, run in runs.items():
        trends = [rank_correlation(row, run.epochs) for row in run.macro(variant="normalised")]
        figures[network] = {
            "increasing": sum(trend >= CLEAR_TREND for trend in trends),
            "layers": len(trends),
            "median_trend": float(np.median(trends)),
        }
    told = "; ".join(
        f"{network} {each['increasing']} of {each['layers']} layers "
        f"(median {each['median_trend']:+.2f})"
        for network, each in figures.items()
    )
    return Outcome(
        all(each["increasing"] > each["layers"] / 2 for each in figures.values()),
        figures,
        f"Rank correlation with the epoch of {CLEAR_TREND:g} or more: {told}.",
    )


def _first_layer(runs: Runs) -> Outcome:
    last = {}
    for name in ("lenet", "shallow"):
        require_layer(runs[name], "conv1")
        last[name] = (
            runs[name].units("conv1", "discriminability", "normalised")[:, -WINDOW:].mean(1)
        )
    held, figures, told = compared(last, ".4g", "+.3g")
    return Outcome(held, figures, f"Mean discriminability of conv1 (normalised): {told}.")


def _deeper(runs: Runs) -> Outcome:
    figures: dict[str, Any] = {}
    for network, run in runs.items():
        inner = [layer for layer in run.layers if layer.kind in ("conv", "relu")]
        depth = np.array([layer.number for layer in inner])
        values = run.macro("discriminability", "normalised")[depth - 1]
        figures[network] = {
            "growth_with_depth": rank_correlation(depth, growth(values)),
            "value_with_depth": rank_correlation(depth, values[:, -1]),
            "layers": len(inner),
        }
    told = "; ".join(
        f"{network} {each['growth_with_depth']:+.2f} (n = {each['layers']} layers; with the last "
        f"epoch's value {each['value_with_depth']:+.2f})"
        for network, each in figures.items()
    )
    return Outcome(
        all(each["growth_with_depth"] >= CLEAR_TREND for each in figures.values()),
        figures,
        f"Rank correlation of depth with growth: {told}.",
    )


def _even_and_converged(run: EvolutionRun) -> dict[str, int]:
    """How many units of a run with epoch 0 start even, converge, and do both."""
    assert run.start is not None
    first, end = run.start["between"].astype(np.float64), run.between()
    values = [run.units(layer.name, variant="normalised") for layer in run.layers]
    before = run.start["discriminability"][:, None]
    steps = np.abs(np.diff(np.concatenate([before, np.concatenate(values)], axis=1), axis=1))
    late, early = steps[:, -WINDOW:].mean(1), steps[:, :WINDOW].mean(1)
    even = (end > 0) & (first <= HALF * end)
    converged = (early > 0) & (late <= HALF * early)
    return {
        "units": len(end),
        "even": int(even.sum()),
        "converged": int(converged.sum()),
        "both": int((even & converged).sum()),
    }


def _converge(runs: Runs) -> Outcome:
    without = [network for network, run in runs.items() if run.start is None]
    if len(without) == len(runs):
        raise UntestableError(f"recorded without epoch 0: {', '.join(without)}")
    figures: dict[str, Any] = {
        network: _even_and_converged(run) for network, run in runs.items() if run.start is not None
    }
    told = "; ".join(
        f"{network} {each['both']} of {each['units']} units ({each['even']} start even, "
        f"{each['converged']} converge)"
        for network, each in figures.items()
    )
    lacking = f" Recorded without epoch 0: {', '.join(without)}." if without else ""
    return Outcome(
        all(each["both"] > each["units"] / 2 for each in figures.values()),
        figures,
        f"Start even and converge: {told}.{lacking}",
    )


FINDINGS = (
    Finding(
        id="DV-30a",
        section="4.1.1",
        claim="Discriminability gradually increases in lenet and in shallow.",
        networks=("lenet", "shallow"),
        statistic="rank correlation of a layer's discriminability with the epoch",
        rule=f"it is at least {CLEAR_TREND:g} in more than half of the layers of both networks",
        check=_increases,
    ),
    Finding(
        id="DV-30b",
        section="4.1.1",
        claim="The units of layer1 are better in lenet than in shallow.",
        networks=("lenet", "shallow"),
        statistic="discriminability of the units of conv1, mean over the last 5 epochs, lenet "
        "less shallow; bootstrap over units",
        rule="the 95% interval of the difference lies above 0",
        check=_first_layer,
    ),
    Finding(
        id="DV-30c",
        section="4.2.2",
        claim="Layers near the final one gain discriminability more strongly than early ones.",
        networks=("lenet", "shallow"),
        statistic="rank correlation, over CONV and ReLU layers, of depth with the mean "
        "discriminability of the last 5 epochs against epoch 1",
        rule=f"it is at least {CLEAR_TREND:g} in every recorded network",
        check=_deeper,
        any_of=True,
    ),
    Finding(
        id="DV-30d",
        section="2.1",
        claim="Most neurons start with even distributions over the classes and converge to "
        "specific ones.",
        networks=FIGURE_4,
        statistic="units that start even (the share of their variance that lies between the "
        "classes is at epoch 0, before training, at most half of that at the last epoch) "
        "and converge (their discriminability moves over each of the last 5 epochs, on average, "
        "at most half as much as over each of the first 5)",
        rule="units that do both are more than half of all in each network recorded with epoch 0",
        check=_converge,
        any_of=True,
    ),
)
