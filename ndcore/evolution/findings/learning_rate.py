"""DV-22: what happens when the learning rate is lowered after epoch 30."""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np

from ndcore.evolution.findings.accuracy import FIGURE_4, difference
from ndcore.evolution.findings.finding import Finding, Outcome, Runs, UntestableError
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.trends import change_after, sides_of

FALL = 0.01


def _lowered(run: EvolutionRun) -> int:
    if not run.rate_lowered:
        raise UntestableError(f"the learning rate of {run.model} was not lowered in a step")
    return run.rate_lowered[0]


def _block_falls(runs: Runs) -> Outcome:
    ((network, run),) = runs.items()
    at = _lowered(run)
    change = change_after(run.macro("discriminability", "normalised"), run.epochs, at)
    names = [layer.name for layer in run.layers]
    blocks = [
        [index for index, _ in group]
        for falls, group in groupby(enumerate(change <= -FALL), key=lambda each: each[1])
        if falls
    ]
    block = max(blocks, key=len, default=[])
    fell = int((change <= -FALL).sum())
    figures: dict[str, Any] = {
        "after_epoch": at,
        "block": [names[index] for index in block],
        "change": {
            name: float(value)
            for name, value in zip(names, change, strict=True)
            if np.isfinite(value)
        },
        "layers_that_fell": fell,
        "layers": len(names),
    }
    told = f"{network}: {fell} of {len(names)} layers fell after epoch {at}"
    if block:
        inside = 100 * change[block]
        told += (
            f"; the longest block is {', '.join(figures['block'])} "
            f"({inside.min():+.1f}% to {inside.max():+.1f}%)"
        )
    return Outcome(len(block) >= 2, figures, f"{told}.")


def _errors_fall(runs: Runs) -> Outcome:
    figures: dict[str, Any] = {}
    held, told = True, []
    for network, run in runs.items():
        at = _lowered(run)
        before, after = sides_of(run.epochs, at)
        figures[network] = {"after_epoch": at}
        for part, count in (("train", "reference"), ("validation", "validation")):
            n, errors = int(run.about[count]), run.curves[f"{part}_top1_error"]
            old, new = float(errors[before].mean()), float(errors[after].mean())
            _, low, high = difference((round(new * n), n), (round(old * n), n))
            figures[network][part] = {
                "before": old,
                "after": new,
                "change": new - old,
                "ci95": [low, high],
                "n": n,
            }
            held &= new < old
        seen = figures[network]["validation"]
        told.append(
            f"{network} {100 * seen['before']:.1f} to {100 * seen['after']:.1f}% "
            f"(n = {seen['n']:,})"
        )
    return Outcome(held, figures, f"Validation top-1 error: {'; '.join(told)}.")


def _block(id: str, section: str, network: str, claim: str) -> Finding:
    return Finding(
        id=id,
        section=section,
        claim=claim,
        networks=(network,),
        statistic="each layer's mean discriminability over the 5 epochs after the rate is first "
        "lowered, against the 5 before",
        rule="at least two adjacent layers fall by 1% or more",
        check=_block_falls,
    )


FINDINGS = (
    _block(
        "DV-22a",
        "4.1.1",
        "shallow",
        "In shallow, a block of layers loses discriminability once the learning rate is lowered "
        "after epoch 30.",
    ),
    _block(
        "DV-22b",
        "4.2.2",
        "lenet-sig4",
        "In lenet-sig4, a block of layers loses a little discriminability after epoch 30.",
    ),
    Finding(
        id="DV-22c",
        section="4.1.1",
        claim="The lower learning rate after epoch 30 fine-tunes the networks: their errors fall.",
        networks=FIGURE_4,
        statistic="mean top-1 error over the 5 epochs after the rate is first lowered, against "
        "the 5 before, in training and validation",
        rule="both errors are lower after it in every recorded network",
        check=_errors_fall,
        any_of=True,
    ),
)
