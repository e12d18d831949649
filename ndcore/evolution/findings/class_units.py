"""DV-28: units that stand for classes, in the final layer and before it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.evolution.findings.accuracy import difference
from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.findings.series import require_layer
from ndcore.evolution.run import EvolutionRun
from ndcore.statistics.intervals import Rate

__all__ = ["FINDINGS"]

TOP, AVERAGED = 5, 20  # patches of a row of the paper, and behind an average image
DIFFICULT = ("cat", "dog", "bird")
PURE = 0.8
EARLY_LAYER = "conv15"  # layer32 of lenet-d


def _labels(run: EvolutionRun, layer: str, unit: int, k: int) -> NDArray[np.integer]:
    """Classes of the patches that drive a unit most at the last epoch."""
    last = int(run.epochs[-1])
    if last not in run.detailed:
        raise UntestableError(f"the recording of {run.model} has no patches of its last epoch")
    return run.patches(layer, unit, last, k).labels


def _final_units(runs: Runs) -> Outcome:
    run = runs["lenet"]
    name = run.layers[-1].name
    own = {
        label: int((_labels(run, name, unit, TOP) == unit).sum())
        for unit, label in enumerate(run.classes)
    }
    n = TOP * len(own)
    found = Rate(sum(own.values()), n)
    return Outcome(
        found.ends[0] > 0.5,
        {"own_class": own} | found.to_dict("share"),
        f"lenet: {found.k} of the {n} top patches of the final layer's units show the "
        f"unit's own class ({found.percent(0)}, 95% interval {found.interval(0)}).",
    )


def _purer(runs: Runs) -> Outcome:
    figures: dict[str, Any] = {}
    right, counted = {}, {}
    for network in ("lenet", "shallow"):
        run = runs[network]
        lacking = [label for label in DIFFICULT if label not in run.classes]
        if lacking:
            raise UntestableError(f"{network} has no class {' or '.join(lacking)}")
        right[network] = counted[network] = 0
        figures[network] = {}
        for label in DIFFICULT:
            unit = run.classes.index(label)
            labels = _labels(run, run.layers[-1].name, unit, AVERAGED)
            right[network] += int((labels == unit).sum())
            counted[network] += len(labels)
            figures[network][label] = {
                "own_class": int((labels == unit).sum()),
                "n": len(labels),
                "top_5": [run.classes[each] for each in labels[:TOP]],
            }
    gap, low, high = difference(*((right[name], counted[name]) for name in ("lenet", "shallow")))
    told = " against ".join(
        f"{right[name]} of {counted[name]} in {name}" for name in ("lenet", "shallow")
    )
    return Outcome(
        low > 0,
        {**figures, "difference": gap, "ci95": [low, high]},
        f"Patches of their own class among the top {AVERAGED} of the cat, dog and bird units: "
        f"{told}, {100 * gap:+.0f} points (95% interval {100 * low:+.0f} to {100 * high:+.0f}).",
    )


def _premature(runs: Runs) -> Outcome:
    run = runs["lenet-d"]
    require_layer(run, EARLY_LAYER)
    units = run.layer(EARLY_LAYER).units
    shares = []
    for unit in range(units):
        labels = _labels(run, EARLY_LAYER, unit, AVERAGED)
        pair = Counter(labels.tolist()).most_common(2)
        shares.append(sum(count for _, count in pair) / len(labels))
    pure = sum(share >= PURE for share in shares)
    figures = {"pure": pure, "units": units, "median_share": float(np.median(shares))}
    return Outcome(
        pure >= units / 2,
        figures,
        f"lenet-d: {pure} of {units} units of {EARLY_LAYER} (layer32) have {100 * PURE:g}% of "
        f"their top {AVERAGED} patches in two classes; the median unit has "
        f"{100 * figures['median_share']:.0f}%.",
    )


FINDINGS = (
    Finding(
        id="DV-28a",
        section="4.1.1",
        claim="The units of the final layer of lenet stand for their classes.",
        networks=("lenet",),
        statistic="share of their top 5 patches at the last epoch that show their own class",
        rule="its 95% interval lies above one half (a tenth is chance)",
        check=_final_units,
    ),
    Finding(
        id="DV-28b",
        section="4.1.1",
        claim="The cat, dog and bird units of lenet are clearer than those of shallow.",
        networks=("lenet", "shallow"),
        statistic="share of their top 20 patches (those behind the average image) at the last "
        "epoch that show their own class, lenet less shallow",
        rule="the 95% interval of the difference lies above 0",
        check=_purer,
    ),
    Finding(
        id="DV-28c",
        section="4.1.2",
        claim="lenet-d is premature: units of layer32 (conv15) already detect classes, or pairs "
        "such as truck and car.",
        networks=("lenet-d",),
        statistic="share of a unit's top 20 patches at the last epoch that show its two most "
        "frequent classes",
        rule=f"it is at least {100 * PURE:g}% in at least half of the units",
        check=_premature,
    ),
)
