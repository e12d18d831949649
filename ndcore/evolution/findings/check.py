"""Check all findings on the recordings that there are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndcore.errors import RunError
from ndcore.evolution.findings import (
    batch_norm,
    class_units,
    growth,
    learning_rate,
    sigmoid,
    sparseness,
    stagnation,
    width_and_depth,
)
from ndcore.evolution.findings.finding import (
    VERDICTS,
    Finding,
    FindingResult,
    UntestableError,
)
from ndcore.evolution.run import EvolutionRun

FINDINGS: tuple[Finding, ...] = (
    *learning_rate.FINDINGS,
    *sparseness.FINDINGS,
    *stagnation.FINDINGS,
    *batch_norm.FINDINGS,
    *sigmoid.FINDINGS,
    *class_units.FINDINGS,
    *width_and_depth.FINDINGS,
    *growth.FINDINGS,
)

# Trends over fewer epochs would not be those of the paper's 45.
MIN_EPOCHS = 20

NOT_RECORDED = "not recorded"  # of a network, where all recordings are looked at

HELD, DID_NOT_HOLD, COULD_NOT_BE_TESTED = VERDICTS


def check_findings(
    runs: Mapping[str, EvolutionRun],
    findings: tuple[Finding, ...] = FINDINGS,
    absent: str = NOT_RECORDED,
) -> list[FindingResult]:
    """Judge every claim on the recordings.

    Args:
        runs: name -> recording. Of several of one network, the one of the network's name is
            judged, else the first by name; it must be complete, with at least `MIN_EPOCHS` epochs.
        findings: claims to judge.
        absent: what to say of a network without a recording.

    Returns:
        One result per claim, in their order.
    """
    names, lacks = _choose(runs)
    return [_check(finding, runs, names, lacks, absent) for finding in findings]


def judgeable(runs: Mapping[str, EvolutionRun]) -> frozenset[str]:
    """Networks that one of the recordings is complete and long enough to judge."""
    return frozenset(_choose(runs)[0])


def _choose(runs: Mapping[str, EvolutionRun]) -> tuple[dict[str, str], dict[str, str]]:
    """Network -> name of its run, and network -> why the runs of it cannot be judged."""
    names: dict[str, str] = {}
    lacks: dict[str, str] = {}
    for name in sorted(runs, key=lambda name: (name != runs[name].model, name)):
        network = runs[name].model
        if network in names:
            continue
        lack = _lack(runs[name])
        if lack:
            lacks[network] = f"the recording of {network} {lack}"
        else:
            names[network] = name
    return names, lacks


def _lack(run: EvolutionRun) -> str:
    planned, got = int(run.about["config"]["epochs"]), run.epochs.tolist()
    if got != list(range(1, planned + 1)):
        return f"has {len(got)} of {planned} epochs"
    return f"has {planned} epochs, fewer than {MIN_EPOCHS}" if planned < MIN_EPOCHS else ""


def _check(
    finding: Finding,
    runs: Mapping[str, EvolutionRun],
    names: dict[str, str],
    lacks: dict[str, str],
    absent: str,
) -> FindingResult:
    missing = tuple(network for network in finding.networks if network not in names)
    found = {network: names[network] for network in finding.networks if network in names}
    figures: dict[str, Any] = {}
    try:
        if missing and not (finding.any_of and found):
            raise UntestableError(_told(missing, lacks, absent))
        outcome = finding.check({network: runs[name] for network, name in found.items()})
    except (UntestableError, RunError) as lack:
        verdict, sentence = COULD_NOT_BE_TESTED, f"{str(lack)[:1].upper()}{str(lack)[1:]}."
    else:
        verdict = HELD if outcome.held else DID_NOT_HOLD
        figures, sentence = outcome.figures, outcome.sentence
    return FindingResult(finding, verdict, figures, sentence, found, missing)


def _told(missing: tuple[str, ...], lacks: dict[str, str], absent: str) -> str:
    parts = [lacks[network] for network in missing if network in lacks]
    without = [network for network in missing if network not in lacks]
    return "; ".join([*parts, *([f"{absent}: {', '.join(without)}"] if without else [])])
