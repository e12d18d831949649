"""DV-27: sigmoids saturate, and a batch norm before them puts it off."""

from __future__ import annotations

from typing import Any

from ndcore.evolution.findings.accuracy import better
from ndcore.evolution.findings.finding import Finding, Outcome, Runs
from ndcore.evolution.findings.series import SETTLED, growth, layer_epochs, settled_at
from ndcore.evolution.rules import RULES
from ndcore.evolution.run import EvolutionRun

(SATURATED,) = (rule.threshold for rule in RULES if rule.name == "saturated")
FAST = 3


def _saturation(run: EvolutionRun, layer: str) -> float:
    return float(layer_epochs(run, layer, "saturation")[-1])


def _saturated(runs: Runs) -> Outcome:
    run = runs["lenet-sig4"]
    share = _saturation(run, "sig4")
    units = run.layer("sig4").units
    return Outcome(
        share >= SATURATED,
        {"saturation": share, "units": units, "values_per_class": run.samples("sig4")},
        f"lenet-sig4: {100 * share:.1f}% of the values of sig4 ({units} units) lie within 5% of "
        "0 or 1 at the last epoch.",
    )


def _fast(runs: Runs) -> Outcome:
    run = runs["lenet-sig4"]
    values = layer_epochs(run, "sig4")
    reached = float(values[run.epochs == FAST][0] / max(values.max(), 1e-30))
    settled = settled_at(values, run.epochs)
    return Outcome(
        reached >= SETTLED,
        {"share_at_epoch_3": reached, "settled_at": settled},
        f"lenet-sig4: sig4 has {100 * reached:.1f}% of its largest discriminability at epoch "
        f"{FAST}, and {100 * SETTLED:g}% from epoch {settled} on.",
    )


def _first_settles(runs: Runs, early: tuple[str, str], late: tuple[str, str]) -> Outcome:
    figures: dict[str, Any] = {}
    for network, layer in (early, late):
        values = layer_epochs(runs[network], layer)
        figures[network] = {
            "layer": layer,
            "settled_at": settled_at(values, runs[network].epochs),
            "saturation": _saturation(runs[network], layer),
        }
    told = "; ".join(
        f"{layer} of {network} at epoch {figures[network]['settled_at']} "
        f"({100 * figures[network]['saturation']:.1f}% of its values saturated in the end)"
        for network, layer in (early, late)
    )
    return Outcome(
        figures[early[0]]["settled_at"] < figures[late[0]]["settled_at"],
        figures,
        f"{100 * SETTLED:g}% of the largest discriminability is reached by {told}.",
    )


def _weak(runs: Runs) -> Outcome:
    found = {name: float(growth(layer_epochs(run, "conv4"))) for name, run in runs.items()}
    plain = found["lenet-sig4"]
    told = ", ".join(f"{name} {100 * value:+.0f}%" for name, value in found.items())
    return Outcome(
        plain < found["lenet"] and plain < found["lenet-sig4-bn"],
        {"growth": found},
        f"Growth of conv4 from epoch 1 to the last five: {told}.",
    )


SETTLES = f"first epoch at which the layer has {100 * SETTLED:g}% of its largest discriminability"

FINDINGS = (
    better(
        "DV-27a",
        "4.2.2",
        "A sigmoid in the place of the first ReLU (lenet-sig1) costs lenet much accuracy.",
        "lenet",
        "lenet-sig1",
    ),
    Finding(
        id="DV-27b",
        section="4.2.2",
        claim="The sigmoid of lenet-sig1 saturates earlier than that of lenet-sig4.",
        networks=("lenet-sig1", "lenet-sig4"),
        statistic=SETTLES,
        rule="it is earlier for sig1 than for sig4",
        check=lambda runs: _first_settles(runs, ("lenet-sig1", "sig1"), ("lenet-sig4", "sig4")),
    ),
    Finding(
        id="DV-27c",
        section="4.2.2",
        claim="Layer11 (sig4) of lenet-sig4 evolves too fast, with little gain after epoch 3.",
        networks=("lenet-sig4",),
        statistic="discriminability at epoch 3 relative to its largest",
        rule=f"it is at least {100 * SETTLED:g}%",
        check=_fast,
    ),
    Finding(
        id="DV-27d",
        section="4.2.2",
        claim="Layer10 (conv4) grows only weakly before the sigmoid of lenet-sig4, and more with "
        "a batch norm.",
        networks=("lenet-sig4", "lenet-sig4-bn", "lenet"),
        statistic="mean discriminability of conv4 over the last 5 epochs, against epoch 1",
        rule="it grows less in lenet-sig4 than in lenet and in lenet-sig4-bn",
        check=_weak,
    ),
    Finding(
        id="DV-27e",
        section="4.2.2",
        claim="The sigmoid of lenet-sig4 is saturated.",
        networks=("lenet-sig4",),
        statistic="share of its values within 5% of an end of its range at the last epoch",
        rule=f"it is at least {100 * SATURATED:g}%",
        check=_saturated,
    ),
    Finding(
        id="DV-27f",
        section="4.2.2",
        claim="With a batch norm before it, the sigmoid saturates much later.",
        networks=("lenet-sig4", "lenet-sig4-bn"),
        statistic=SETTLES,
        rule="it is later for sig4 with batch norm than without",
        check=lambda runs: _first_settles(runs, ("lenet-sig4", "sig4"), ("lenet-sig4-bn", "sig4")),
    ),
    better(
        "DV-27g",
        "4.2.2",
        "A batch norm before the sigmoid (lenet-sig4-bn) raises accuracy by over 2 points.",
        "lenet-sig4-bn",
        "lenet-sig4",
        least=0.02,
    ),
)
