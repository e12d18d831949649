"""The document of a study: what was compared on which images, and every figure that came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.detectors.regime import REGIMES, regime_of, typicality
from ndcore.detectors.scoring.detector import FeatureDetector, Measured
from ndcore.detectors.scoring.features import FeaturePass
from ndcore.detectors.scoring.scores import OneLayer, layer_measures
from ndcore.statistics.roc import auroc, rate
from ndcore.study.config import KINDS_OF_ATTACK, StudyConfig
from ndcore.study.measured.adversaries import Adversary
from ndcore.study.measured.image_sets import Family, ImageSet
from ndcore.study.report import (
    Scored,
    attack_figures,
    benign_figures,
    evasion_figures,
    localisation,
)


@dataclass(frozen=True)
class StudySet:
    """Images and what was measured of them."""

    images: ImageSet
    measured: Measured


def study_document(
    bundle: Bundle,
    source: ImageSource,
    config: StudyConfig,
    detectors: Sequence[FeatureDetector],
    benign: dict[str, StudySet],
    attacks: dict[str, StudySet],
    controls: dict[str, StudySet],
    frozen: str = "",
) -> dict[str, Any]:
    """How well every detector does, the best first.

    Args:
        bundle: what was studied; source: its data; config: how much of it.
        detectors: fitted.
        benign: `dev`, `calibration` and `evaluation`.
        attacks, controls: sets made from `evaluation`, by name; none is empty.
        frozen: name of the detector that was fixed beforehand; "" for none.
    """
    held = benign["evaluation"]
    rows: list[dict[str, Any]] = []
    places: dict[str, Any] = {}
    evasion: dict[str, Any] = {}
    for detector in detectors:
        clean = Scored.of(detector, held.images, held.measured)
        scored = {
            name: Scored.of(detector, each.images, each.measured) for name, each in attacks.items()
        }
        row = _detector_row(detector, clean, scored, bundle.classes, config.seed)
        alarms = {
            name: rate(Scored.of(detector, each.images, each.measured).p <= 0.05)
            for name, each in controls.items()
        }
        rows.append(row | {"frozen": detector.name == frozen, "controls": alarms})
        if detector.name == frozen:
            evasion = {name: evasion_figures(each) for name, each in scored.items()}
            places = {
                name: localisation(scored[name], each.images, each.measured)
                for name, each in attacks.items()
            }
    # Whoever wins is printed first; on a tie a baseline comes before what it ties with.
    rows.sort(key=lambda row: (-(row["auroc"] or 0), row["kind"] != "baseline"))
    predicted = held.measured.features.predicted
    where = [source.index(key) for key in held.images.ids]
    return {
        "study": "detectors",
        "bundle": bundle.name,
        "weight_hash": bundle.weight_hash,
        "data": source.name,
        "seed": config.seed,
        "images": {split: len(each.images) for split, each in benign.items()}
        | {
            "reference_per_class": config.per_class,
            "evaluation_misclassified": int((predicted != held.images.labels).sum()),
            "evaluation_lossless": int(source.lossless[where].sum()),
        },
        "attacks": [
            attack_row(KINDS_OF_ATTACK[name], each.images) for name, each in attacks.items()
        ],
        "detectors": rows,
        "localisation": {name: found for name, found in places.items() if found is not None},
        "evasion": evasion,
    }


def _detector_row(
    detector: FeatureDetector,
    clean: Scored,
    attacks: dict[str, Scored],
    classes: Sequence[str],
    seed: int,
) -> dict[str, Any]:
    """What a detector does on benign images and on each kind of attack; the first one is told."""
    per_attack = {
        name: attack_figures(clean, each, classes, seed) for name, each in attacks.items()
    }
    false_alarms = benign_figures(detector, clean, classes, seed)
    first = next(iter(per_attack.values()), {})
    return {
        "name": detector.name,
        "kind": detector.kind,
        "about": detector.about,
        "auroc": first.get("auroc"),
        "ci95": first.get("ci95"),
        "tpr_at_fpr": first.get("tpr_at_fpr"),
        "realised_fpr": {a: row["rate"] for a, row in false_alarms["pooled"].items()},
        "false_alarms": false_alarms,
        "attacks": per_attack,
    }


def attack_row(kind: Family | Adversary, images: ImageSet) -> dict[str, Any]:
    """A kind of attack: what it is, and how many images came of it."""
    return {
        "name": kind.name,
        "about": kind.about,
        "knows_the_detector": isinstance(kind, Adversary),
        "attacked": images.attacked or None,
        "n": len(images),
        "queries_mean": float(images.queries.mean()) if len(images) else None,
    }


def layer_figures(
    passes: FeaturePass, benign: StudySet, attacks: dict[str, StudySet]
) -> dict[str, dict[str, Any]]:
    """AUROC of every measure at every layer: measure -> attack -> lists in the layers' order."""
    right = benign.measured.features.predicted == benign.images.labels
    found: dict[str, dict[str, Any]] = {}
    for measure, known in layer_measures().items():
        layers = passes.conv if known.spatial else passes.layers
        rows: dict[str, Any] = {}
        for name, each in attacks.items():
            lists: dict[str, list[float]] = {"all": [], "correct": [], "misclassified": []}
            for layer in layers:
                one = OneLayer(measure, layers, layer)
                clean, attacked = one.score(benign.measured), one.score(each.measured)
                lists["all"].append(auroc(clean, attacked))
                lists["correct"].append(auroc(clean[right], attacked))
                lists["misclassified"].append(auroc(clean[~right], attacked))
            rows[name] = lists
        found[measure] = {"about": known.about, "layers": list(layers), "attacks": rows}
    return found


def regime_figures(bundle: Bundle, sets: Mapping[str, StudySet]) -> dict[str, Any]:
    """Share of a set's images in each regime; of no set where the last layer is not the logits."""
    last = bundle.layers[-1]
    if bundle.reductions(last) != ("value",) or bundle.units(last) != len(bundle.classes):
        return {}
    found = {}
    for name, each in sets.items():
        shares = typicality(each.measured.features.logits, bundle.distributions(last, "value"))
        regimes = np.array([regime_of(share) for share in shares])
        found[name] = {regime: rate(regimes == regime) for regime in REGIMES}
    return found
