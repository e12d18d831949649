"""DV-26: batch norm ties density to discriminability, and fills what was too sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.findings.series import (
    CLEAR_TREND,
    initial_change,
    layer_epochs,
    rank_correlation,
)
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.trends import correlations
from ndcore.statistics.resampling import mean_interval

NORMED = ("lenet-bn", "shallow-bn", "nin-bn")
TWINS = (*NORMED, "lenet-w-bn")
FALL = 0.01


def _falling(run: EvolutionRun) -> NDArray[np.bool_]:
    return initial_change(run.macro("discriminability", "normalised")) <= -FALL


def _tied(run: EvolutionRun) -> NDArray[np.float64]:
    return correlations(run.macro("discriminability", "normalised"), run.macro("density"))


def _decline(runs: Runs) -> Outcome:
    figures: dict[str, Any] = {
        network: {
            "layers": [
                layer.name for layer, fell in zip(run.layers, _falling(run), strict=True) if fell
            ],
            "of": len(run.layers),
        }
        for network, run in runs.items()
    }
    told = "; ".join(
        f"{network} {len(each['layers'])} of {each['of']}" for network, each in figures.items()
    )
    return Outcome(
        all(each["layers"] for each in figures.values()),
        figures,
        f"Layers that are lower in epochs 2-5 than in epoch 1: {told}.",
    )


def _same_way(runs: Runs) -> Outcome:
    tied: dict[str, float] = {}
    for network, run in runs.items():
        for layer, fell, value in zip(run.layers, _falling(run), _tied(run), strict=True):
            if fell and np.isfinite(value):
                tied[f"{network} {layer.name}"] = float(value)
    if not tied:
        raise UntestableError(f"no layer of {' or '.join(runs)} declines at first")
    middle = float(np.median(list(tied.values())))
    return Outcome(
        middle >= CLEAR_TREND,
        {"correlation": tied, "median": middle},
        f"Median correlation of density with discriminability {middle:+.2f} over the {len(tied)} "
        f"layers of {', '.join(runs)} that decline at first.",
    )


def _more_tied(runs: Runs) -> Outcome:
    figures: dict[str, Any] = {}
    pairs = []
    for normed in (name for name in TWINS if name in runs):
        plain = normed.removesuffix("-bn")
        if plain not in runs:
            continue
        both = [
            {
                layer.name: float(value)
                for layer, value in zip(runs[name].layers, _tied(runs[name]), strict=True)
                if layer.kind == "relu" and np.isfinite(value)
            }
            for name in (normed, plain)
        ]
        shared = [(both[0][name], both[1][name]) for name in both[0] if name in both[1]]
        pairs += shared
        figures |= {normed: both[0], plain: both[1]}
    if not pairs:
        raise UntestableError("no network is recorded both with and without batch norm")
    normed_values, plain_values = np.array(pairs).T
    gap = float((normed_values - plain_values).mean())
    low, high = mean_interval(normed_values - plain_values)
    medians = float(np.median(normed_values)), float(np.median(plain_values))
    figures |= {
        "median_with": medians[0],
        "median_without": medians[1],
        "mean_difference": gap,
        "ci95": [low, high],
        "pairs": len(pairs),
    }
    return Outcome(
        medians[0] >= CLEAR_TREND and low > 0,
        figures,
        f"Median correlation {medians[0]:+.2f} with batch norm and {medians[1]:+.2f} without; mean "
        f"difference {gap:+.2f} (95% interval {low:+.2f} to {high:+.2f}, n = {len(pairs)} pairs "
        f"of layers in {', '.join(runs)}).",
    )


def _fills(runs: Runs) -> Outcome:
    density = {name: layer_epochs(runs[name], "relu2", "density") for name in runs}
    normed, plain = density["lenet-w-bn"], density["lenet-w"]
    trend = rank_correlation(normed, np.arange(len(normed)))
    figures = {
        "first": float(normed[0]),
        "last": float(normed[-1]),
        "trend": trend,
        "last_without": float(plain[-1]),
    }
    return Outcome(
        trend >= CLEAR_TREND and bool(normed[-1] > plain[-1]),
        figures,
        f"Density of relu2 in lenet-w-bn {normed[0]:.3f} to {normed[-1]:.3f} (rank correlation "
        f"with the epoch {trend:+.2f}); lenet-w ends at {plain[-1]:.3f}.",
    )


FINDINGS = (
    Finding(
        id="DV-26a",
        section="4.2.1",
        claim="With batch norm, some layers lose discriminability at first.",
        networks=NORMED,
        statistic="each layer's mean discriminability over epochs 2-5, against epoch 1",
        rule="it falls by 1% or more in at least one layer of every recorded network",
        check=_decline,
        any_of=True,
    ),
    Finding(
        id="DV-26b",
        section="4.2.1",
        claim="In the layers that decline at first, density goes the way of discriminability.",
        networks=TWINS,
        statistic="correlation of density with discriminability over the epochs, median layer",
        rule=f"it is at least {CLEAR_TREND:g}",
        check=_same_way,
        any_of=True,
    ),
    Finding(
        id="DV-26c",
        section="4.2.1",
        claim="Adding batch norm makes density and discriminability highly consistent.",
        networks=(*TWINS, *(name.removesuffix("-bn") for name in TWINS)),
        statistic="correlation of density with discriminability over the epochs in ReLU layers, "
        "with batch norm less without, paired by layer; bootstrap over pairs",
        rule=f"the median with batch norm is at least {CLEAR_TREND:g}, and the 95% interval of "
        "the mean difference lies above 0",
        check=_more_tied,
        any_of=True,
    ),
    Finding(
        id="DV-26d",
        section="4.2.1",
        claim="With a batch norm after layer4, lenet-w gradually learns well populated "
        "representations instead of too sparse ones.",
        networks=("lenet-w-bn", "lenet-w"),
        statistic="density of relu2 over the epochs",
        rule=f"in lenet-w-bn it rises (rank correlation with the epoch at least {CLEAR_TREND:g}) "
        "and ends above that of lenet-w",
        check=_fills,
    ),
)
