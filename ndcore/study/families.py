"""Which detector for which attack: the best for each kind, chosen on dev, under one budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ndcore.detectors.scoring.detector import FeatureDetector, Union
from ndcore.detectors.scoring.reference import Reference
from ndcore.statistics.roc import auroc, rate
from ndcore.study.document import StudySet
from ndcore.study.report import MAIN_ALPHA, Scored

NAME = "for-every-attack"
OWN = 0.6  # of the false alarms that the frozen detector keeps; the others share the rest
FAMILY_IMAGES = {"fgsm": 80, "pgd": 60, "deepfool": 60, "cw": 30}  # on dev images


def best_for(
    dev: StudySet, attacks: Mapping[str, StudySet], detectors: Sequence[FeatureDetector]
) -> dict[str, str]:
    """By kind of attack the detector with the largest AUROC on dev images, of those that need no
    repair; the first of equals.
    """
    found = {}
    ready = [each for each in detectors if not each.needs_repair]
    clean = {each.name: each.score(dev.measured) for each in ready}
    for name, attacked in attacks.items():
        areas = {
            each.name: auroc(clean[each.name], each.score(attacked.measured)) for each in ready
        }
        found[name] = max(areas, key=lambda each: areas[each])
    return found


def family_union(
    frozen: FeatureDetector, chosen: Mapping[str, str], detectors: Sequence[FeatureDetector]
) -> Union:
    """The frozen detector and the chosen ones under one budget of false alarms, unfitted."""
    names = [*dict.fromkeys(chosen.values())]
    others = [next(each for each in detectors if each.name == name) for name in names]
    parts = (OWN, *[(1 - OWN) / len(others)] * len(others)) if others else (1.0,)
    return Union(
        NAME,
        "the best for each kind of attack",
        f"{frozen.name} with {OWN:.0%} of the false alarms; {', '.join(names)} share the rest",
        "ours",
        [frozen, *others],
        parts,
    )


def family_figures(
    frozen: FeatureDetector,
    chosen: Mapping[str, str],
    detectors: Sequence[FeatureDetector],
    benign: Mapping[str, StudySet],
    attacks: Mapping[str, StudySet],
    reference: Reference,
) -> dict[str, Any]:
    """Each kind of attack: caught at 5% by the frozen detector, by the best for it, by the union.

    Args:
        frozen, detectors: fitted.
        chosen: by kind of attack, see `best_for`; the frozen one for all others.
        benign: `dev`, `calibration` and `evaluation`.
        attacks: made from evaluation images.
        reference: for what the union's members learn.
    """
    union = family_union(frozen, chosen, detectors)
    union.fit(benign["dev"].measured, benign["calibration"].measured, reference)
    by_name = {each.name: each for each in detectors}
    rows = []
    for name, found in attacks.items():
        best = by_name[chosen.get(name, frozen.name)]
        told = {
            key: rate(Scored.of(each, found.images, found.measured).p <= MAIN_ALPHA)
            for key, each in (("frozen", frozen), ("best", best), ("union", union))
        }
        rows.append({"name": name, "n": len(found.images), "chosen": best.name} | told)
    held = benign["evaluation"]
    alarms = {
        key: rate(Scored.of(each, held.images, held.measured).p <= MAIN_ALPHA)
        for key, each in (("frozen", frozen), ("union", union))
    }
    return {"about": union.about, "false_alarms": alarms, "rows": rows}
