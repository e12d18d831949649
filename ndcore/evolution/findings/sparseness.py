"""DV-23 and DV-24: dead units, and representations that are too sparse or too dense."""

from __future__ import annotations

from typing import Any

import numpy as np

from ndcore.evolution.findings.accuracy import FIGURE_4, difference
from ndcore.evolution.findings.class_units import likeness, looks
from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.findings.series import (
    compared,
    growth,
    initial_change,
    overfitting,
    require_layer,
)
from ndcore.evolution.rules import RULES
from ndcore.evolution.run import EvolutionRun

LIMIT = {rule.name: rule.threshold for rule in RULES}
STEADY = 1 / 20  # a level of the paper's grids
EARLY = 10
WIDE = ("conv2", "relu2")  # layer4 and layer5 of lenet-w


def _dead(runs: Runs) -> Outcome:
    run = runs["lenet-w"]
    require_layer(run, "relu2")
    dead = int((run.units("relu2", "active")[:, -1] == 0).sum())
    units = run.layer("relu2").units
    images = int(run.about["sample_per_class"]) * len(run.classes)
    figures = {"dead": dead, "units": units, "share": dead / units, "images": images}
    return Outcome(
        dead >= LIMIT["dead"] * units,
        figures,
        f"lenet-w: {dead} of {units} units of relu2 are 0 on all {images} images of the sample "
        "at the last epoch.",
    )


def _steady(runs: Runs) -> Outcome:
    run = runs["lenet-w"]
    figures: dict[str, Any] = {}
    for name in WIDE:
        require_layer(run, name)
        units = run.units(name, "discriminability", "normalised")
        moved = np.ptp(units[:, 1:], axis=1)
        steady = int((moved <= STEADY * units.max()).sum())
        figures[name] = {"steady": steady, "units": len(units), "share": steady / len(units)}
    told = " and ".join(
        f"{each['steady']} of {each['units']} in {name}" for name, each in figures.items()
    )
    held = all(each["share"] > 0.5 for each in figures.values())
    return Outcome(held, figures, f"lenet-w, steady units from epoch 2 on: {told}.")


def _degenerates(runs: Runs) -> Outcome:
    change = initial_change(runs["lenet-w"].macro("discriminability", "normalised"))
    fell, layers = int((change < 0).sum()), len(change)
    figures = {"fell": fell, "layers": layers, "median_change": float(np.median(change))}
    return Outcome(
        fell > layers / 2,
        figures,
        f"lenet-w: {fell} of {layers} layers are lower in epochs 2-5 than in epoch 1, "
        f"median change {100 * figures['median_change']:+.1f}%.",
    )


def _one_feature(runs: Runs) -> Outcome:
    alike = {name: likeness(looks(runs[name], "relu2")) for name in ("lenet-w", "lenet")}
    held, figures, told = compared(alike, "+.3f", "+.3f")
    about = "Mean correlation of the pictures of the units of relu2 that any image drives"
    return Outcome(held, figures, f"{about}: {told}.")


def _densities(run: EvolutionRun, *kinds: str) -> dict[str, float]:
    """Density at the last epoch of the layers of some kinds."""
    found = run.macro("density")[:, -1]
    return {
        layer.name: float(found[layer.number - 1]) for layer in run.layers if layer.kind in kinds
    }


def _numbers(found: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in found.items())


def _too_sparse(runs: Runs) -> Outcome:
    density = _densities(runs["lenet-w"], "relu")
    sparse = [name for name, value in density.items() if value <= LIMIT["too sparse"]]
    figures = {"density": density, "too_sparse": sparse, "limit": LIMIT["too sparse"]}
    return Outcome(bool(sparse), figures, f"lenet-w at the last epoch: {_numbers(density)}.")


def _too_dense(runs: Runs) -> Outcome:
    density = _densities(runs["lenet-d"], "conv", "relu")
    dense = [name for name, value in density.items() if value >= LIMIT["too dense"]]
    figures = {
        "density": density,
        "too_dense": len(dense),
        "layers": len(density),
        "limit": LIMIT["too dense"],
    }
    middle = float(np.median(list(density.values())))
    return Outcome(
        len(dense) > len(density) / 2,
        figures,
        f"lenet-d at the last epoch: {len(dense)} of {len(density)} CONV and ReLU layers have a "
        f"density of {LIMIT['too dense']:g} or more, median {middle:.3f}.",
    )


def _early(runs: Runs) -> Outcome:
    networks: dict[str, Any] = {}
    told = []
    for network, run in runs.items():
        found = [w for w in run.warnings() if w.rule in ("too sparse", "too dense")]
        first = min((warning.epochs[0] for warning in found), default=None)
        happens, lowest, rise = overfitting(run)
        networks[network] = {
            "warned_at": first,
            "layers": [warning.layer for warning in found],
            "overfits": happens,
            "lowest_validation_loss_at": lowest,
            "rise": rise,
            # A warning after the loss has turned is no news.
            "early": first is not None and first <= EARLY and (first < lowest or not happens),
        }
        told.append(f"{network} {f'at epoch {first}' if first else 'never'}")
    warned = {
        group: (sum(each["early"] for each in rows), len(rows))
        for group in (True, False)
        if (rows := [each for each in networks.values() if each["overfits"] is group])
    }
    if len(warned) < 2:
        every = "overfits" if True in warned else "does not overfit"
        raise UntestableError(f"each recorded network {every}: nothing to tell apart")
    gap, low, high = difference(warned[True], warned[False])
    return Outcome(
        low > 0,
        {"networks": networks, "difference": gap, "ci95": [low, high]},
        f"Warned early: {warned[True][0]} of {warned[True][1]} networks that overfit and "
        f"{warned[False][0]} of {warned[False][1]} that do not, {100 * gap:+.0f} points (95% "
        f"interval {100 * low:+.0f} to {100 * high:+.0f}). First warning: {', '.join(told)}.",
    )


def _moderate(runs: Runs) -> Outcome:
    run = runs["nin"]
    density = _densities(run, "relu")
    extreme = [
        name
        for name, value in density.items()
        if not LIMIT["too sparse"] < value < LIMIT["too dense"]
    ]
    grown = growth(run.macro("discriminability", "normalised"))
    rose = int((grown > 0).sum())
    figures = {
        "density": density,
        "extreme": extreme,
        "layers_that_grew": rose,
        "layers": len(grown),
        "median_growth": float(np.median(grown)),
    }
    return Outcome(
        not extreme and rose > len(grown) / 2,
        figures,
        f"nin: {rose} of {len(grown)} layers end with more discriminability than at epoch 1, and "
        f"{len(extreme)} of {len(density)} ReLU layers are too sparse or too dense "
        f"(densities {min(density.values()):.3f} to {max(density.values()):.3f}).",
    )


FINDINGS = (
    Finding(
        id="DV-23a",
        section="4.1.2",
        claim="The largest group of units in layer5 (relu2) of lenet-w is dead.",
        networks=("lenet-w",),
        statistic="units of relu2 that are 0 on every image of the sample at the last epoch",
        rule="they are at least half of the layer",
        check=_dead,
    ),
    Finding(
        id="DV-23b",
        section="4.1.2",
        claim="Most units of layer4 and layer5 (conv2, relu2) of lenet-w keep steady.",
        networks=("lenet-w",),
        statistic="units whose discriminability stays within 1/20 of the layer's largest value "
        "from epoch 2 on",
        rule="they are more than half of each of both layers",
        check=_steady,
    ),
    Finding(
        id="DV-23c",
        section="4.1.2",
        claim="The discriminability of lenet-w degenerates mildly after the first epoch.",
        networks=("lenet-w",),
        statistic="each layer's mean discriminability over epochs 2-5, against epoch 1",
        rule="more than half of the layers fall",
        check=_degenerates,
    ),
    Finding(
        id="DV-23d",
        section="4.1.2",
        claim="The live units of layer5 (relu2) of lenet-w learned the same feature.",
        networks=("lenet-w", "lenet"),
        statistic="mean correlation with the average pictures of the other live units of relu2 at "
        "the last epoch, lenet-w less lenet; bootstrap over units",
        rule="the 95% interval of the difference lies above 0",
        check=_one_feature,
    ),
    Finding(
        id="DV-24a",
        section="4.1.2",
        claim="lenet-w learns representations that are too sparse.",
        networks=("lenet-w",),
        statistic="density of each ReLU layer at the last epoch",
        rule=f"it is at most {LIMIT['too sparse']:g} in at least one of them",
        check=_too_sparse,
    ),
    Finding(
        id="DV-24b",
        section="4.1.2",
        claim="Most CONV and ReLU layers of lenet-d learn dense representations.",
        networks=("lenet-d",),
        statistic="density of each CONV and ReLU layer at the last epoch",
        rule=f"it is at least {LIMIT['too dense']:g} in more than half of them",
        check=_too_dense,
    ),
    Finding(
        id="DV-24c",
        section="2.2",
        claim="Density shows early, before the loss does, which networks will overfit.",
        networks=FIGURE_4,
        statistic="share of the networks that a ReLU layer warns of early (too sparse or too dense "
        f"by the page's rules by epoch {EARLY}, and before the lowest validation loss where the "
        "network overfits), those that overfit less those that do not",
        rule="the 95% interval of the difference lies above 0",
        check=_early,
        any_of=True,
    ),
    Finding(
        id="DV-24d",
        section="4.1.2",
        claim="nin has moderate density and gains discriminability.",
        networks=("nin",),
        statistic="density of each ReLU layer at the last epoch; each layer's mean "
        "discriminability over the last 5 epochs, against epoch 1",
        rule="no ReLU layer is too sparse or too dense, and more than half of the layers gain",
        check=_moderate,
    ),
)
