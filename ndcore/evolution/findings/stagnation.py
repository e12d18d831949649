"""DV-25: windows in which a layer stands still, and layers that are not stable."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.findings.series import instability
from ndcore.evolution.rules import RULES

(STILL,) = (rule.threshold for rule in RULES if rule.name == "stagnant")
FIRST, LAST = 27, 33


def _stands_still(runs: Runs) -> Outcome:
    run = runs["lenet-d"]
    inside = (run.epochs >= FIRST) & (run.epochs <= LAST)
    if inside.sum() < LAST - FIRST + 1:
        raise UntestableError(f"the recording of lenet-d ends before epoch {LAST}")
    values = run.macro("discriminability", "normalised")[1:-1, inside]
    change = np.ptp(values, axis=1) / np.maximum(values.max(1), 1e-30)
    names = [layer.name for layer in run.layers[1:-1]]
    still = [name for name, value in zip(names, change, strict=True) if value <= STILL]
    least = int(np.argmin(change))
    figures: dict[str, Any] = {
        "still": still,
        "inner_layers": len(names),
        "least": names[least],
        "least_change": float(change[least]),
        "median_change": float(np.median(change)),
    }
    return Outcome(
        bool(still),
        figures,
        f"lenet-d, epochs {FIRST}-{LAST}: {len(still)} of {len(names)} inner layers moved by at "
        f"most {100 * STILL:g}%; the stillest is {names[least]} ({100 * change[least]:.2f}%), the "
        f"median {100 * figures['median_change']:.2f}%.",
    )


def _less_stable(runs: Runs, shaky: str, calm: str) -> Outcome:
    step = {
        network: float(np.median(instability(runs[network].macro(variant="normalised"))))
        for network in (shaky, calm)
    }
    layers = {network: len(runs[network].layers) for network in (shaky, calm)}
    told = " against ".join(
        f"{100 * step[network]:.2f}% of the mean in {network} ({layers[network]} layers)"
        for network in (shaky, calm)
    )
    return Outcome(
        step[shaky] > step[calm],
        {"median_step": step, "layers": layers},
        f"A layer moves from epoch to epoch by {told}, in the median.",
    )


STEP = "a layer's mean step of discriminability between epochs relative to its mean, median layer"

FINDINGS = (
    Finding(
        id="DV-25a",
        section="4.1.2",
        claim="An inner layer of lenet-d stands still from epoch 27 to epoch 33.",
        networks=("lenet-d",),
        statistic="largest less smallest discriminability over epochs 27-33 relative to the "
        "largest, per layer but the first and the last",
        rule=f"it is at most {100 * STILL:g}% in at least one layer",
        check=_stands_still,
    ),
    Finding(
        id="DV-25b",
        section="4.1.2",
        claim="Layers of lenet-d suffer from unstable optimisation.",
        networks=("lenet-d", "lenet"),
        statistic=STEP,
        rule="it is larger in lenet-d than in lenet",
        check=lambda runs: _less_stable(runs, "lenet-d", "lenet"),
    ),
    Finding(
        id="DV-25c",
        section="4.1.1",
        claim="Discriminability is less stable in shallow than in lenet.",
        networks=("shallow", "lenet"),
        statistic=STEP,
        rule="it is larger in shallow than in lenet",
        check=lambda runs: _less_stable(runs, "shallow", "lenet"),
    ),
)
