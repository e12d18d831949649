"""`study detectors`: measure, fit, score, and tell how well every detector does.

Reference images give statistics, dev images one scale for all layers, calibration images the
p-values; evaluation images and the attacks made from them are looked at once, by detectors that
were fixed before. A killed study goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.bundle import Bundle
from ndcore.data import ImageSource
from ndcore.detectors.baselines import baseline_detectors
from ndcore.detectors.detector import Detector, Measured
from ndcore.detectors.reference import PER_CLASS
from ndcore.detectors.regime import REGIMES, regime_of, typicality
from ndcore.detectors.scores import (
    OneLayer,
    best_detector,
    divergence_detectors,
    layer_measures,
    our_detectors,
)
from ndcore.errors import BadRequestError
from ndcore.study.adversaries import ADVERSARIES, Adversary, adversarial_set
from ndcore.study.adversaries import ALPHA as ADVERSARY_ALPHA
from ndcore.study.desk import BENIGN, DESK, PAIRED, dev_attack, make_desk
from ndcore.study.measure import Measurer, Step
from ndcore.study.metrics import auroc, rate
from ndcore.study.report import (
    Scored,
    attack_figures,
    benign_figures,
    evasion_figures,
    localisation,
)
from ndcore.study.saved import SavedStudy, save_study, study_dir
from ndcore.study.sets import (
    CONTROLS,
    FAMILIES,
    Family,
    ImageSet,
    attacked_set,
    benign_set,
    control_set,
    gallery_set,
)

__all__ = ["StudyConfig", "run_study"]

KINDS_OF_ATTACK = {kind.name: kind for kind in (*FAMILIES, *ADVERSARIES)}
DEV_SHARE, CALIBRATION_SHARE = 2, 4  # images of these splits per evaluation image, with a limit
BENIGN_IMAGES = 1500  # evaluation images that are judged, at most; attacks are made from all
CONTROL_IMAGES = 60


@dataclass(frozen=True)
class StudyConfig:
    """What to study.

    Attributes:
        attacks: names of families (`ndcore.study.sets.FAMILIES`) and of attackers who know the
            detector (`ndcore.study.adversaries.ADVERSARIES`); None for all.
        n: use no more than this many benign evaluation images, attack no more than this many per
            family, and take calibration and dev images in proportion; None for all.
        repairs: also run the leave-one-pixel-out repair, the slow part.
        per_class: reference images of each class.
        seed: of draws, searches and bootstraps.

    Raises:
        BadRequestError: a value is out of range.
    """

    attacks: tuple[str, ...] | None = None
    n: int | None = None
    repairs: bool = True
    per_class: int = PER_CLASS
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.attacks or ():
            if name not in KINDS_OF_ATTACK:
                known = ", ".join(KINDS_OF_ATTACK)
                raise BadRequestError(f"unknown attack '{name}': choose {known}")
        if self.n is not None and self.n < 1:
            raise BadRequestError(f"n must be at least 1, got {self.n}")
        if self.per_class < 1:
            raise BadRequestError(f"per-class must be at least 1, got {self.per_class}")


@dataclass(frozen=True)
class _Set:
    images: ImageSet
    measured: Measured


def run_study(
    bundle: Bundle,
    source: ImageSource,
    config: StudyConfig,
    folder: Path | None = None,
    *,
    on_step: Step | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> SavedStudy:
    """Run, or finish, a study and save it.

    Args:
        bundle: what is studied.
        source: the data the bundle was built from.
        config: how much of it.
        folder: for its pieces and its outcome; None for `study_dir`.
        on_step: called with (what is being done, done, total).
        should_stop: asked between batches; the pieces made so far stay.

    Raises:
        BadRequestError: the data lacks the bundle's images.
        StoppedError: `should_stop` said so.
    """
    step: Step = on_step or (lambda what, done, total: None)
    folder = folder or study_dir(bundle.name)
    measurer = Measurer(bundle, source, folder, config.per_class, config.seed, step, should_stop)
    measure = partial(measurer.measure, repairs=config.repairs)
    limits = {"dev": DEV_SHARE, "calibration": CALIBRATION_SHARE, "evaluation": 1}
    benign = {}
    for split, share in limits.items():
        n = None if config.n is None else share * config.n
        if split == "evaluation":
            n = min(n or BENIGN_IMAGES, BENIGN_IMAGES)
        images = benign_set(bundle, source, split, n, config.seed)
        benign[split] = _Set(images, measure(images))
    everyone = benign_set(bundle, source, "evaluation", None, config.seed)
    step("scores", 0, 0)
    detectors = _detectors(measurer, config.repairs)
    for detector in detectors:
        detector.fit(measurer.reference, benign["dev"].measured, benign["calibration"].measured)
    attacks: dict[str, _Set] = {}
    none: list[dict[str, Any]] = []
    for kind in _wanted(config):
        images = _attacked(
            bundle, measurer, everyone, kind, detectors[0], config, step, should_stop
        )
        if len(images):
            attacks[kind.name] = _Set(images, measure(images))
        else:
            none.append(_about(kind, images))
    controls = {}
    for name in CONTROLS:
        n = min(CONTROL_IMAGES, config.n or CONTROL_IMAGES)
        images = control_set(bundle, everyone, name, n=n, seed=config.seed)
        if len(images):
            controls[name] = _Set(images, measure(images))
    document = _document(bundle, source, config, detectors, benign, attacks, controls)
    document["attacks"] += none
    document["layers"] = _by_layer(measurer, benign["evaluation"], attacks)
    document["regimes"] = {
        name: found
        for name, each in ({"benign": benign["evaluation"]} | attacks).items()
        if (found := _regimes(bundle, each)) is not None
    }
    sets = {"calibration": benign["calibration"], "evaluation": benign["evaluation"]}
    study = SavedStudy(
        document=document,
        scores={
            name: np.stack([d.score(each.measured) for d in detectors], 1).astype(np.float32)
            for name, each in (sets | attacks | controls).items()
        },
        about={name: _identity(each) for name, each in (sets | attacks | controls).items()},
        names=tuple(detector.name for detector in detectors),
    )
    save_study(folder, study)
    # Scores of every layer, and attacks on dev images, to choose hypotheses with.
    kept = {name: each for name, each in (benign | attacks).items() if name in (*BENIGN, *PAIRED)}
    pairs = {name: (each.images, each.measured) for name, each in kept.items()}
    for family in FAMILIES:
        if family.name in PAIRED and family.name in attacks:
            dev = benign["dev"].images
            images = dev_attack(bundle, measurer, dev, family, config.seed, step, should_stop)
            if len(images):
                pairs[images.name] = (images, measurer.measure(images, repairs=False))
    make_desk(bundle, measurer.passes, pairs).save(folder / DESK)
    return study


def _detectors(measurer: Measurer, repairs: bool) -> list[Detector]:
    # Imported here, where it is used: it takes seconds and pages show finished studies only.
    from ndcore.detectors.ood_library import library_detectors

    passes = measurer.passes
    found = [
        *our_detectors(passes.conv),
        *baseline_detectors(),
        *library_detectors(),
        *divergence_detectors(passes.layers, passes.conv, passes.units),
    ]
    return [detector for detector in found if repairs or not detector.needs_repair]


def _wanted(config: StudyConfig) -> list[Family | Adversary]:
    """The kinds asked for, in their usual order; adversaries only where the repair is run."""
    kinds = (*FAMILIES, *(ADVERSARIES if config.repairs else ()))
    return [kind for kind in kinds if config.attacks is None or kind.name in config.attacks]


def _attacked(
    bundle: Bundle,
    measurer: Measurer,
    benign: ImageSet,
    kind: Family | Adversary,
    best: Detector,
    config: StudyConfig,
    step: Step,
    should_stop: Callable[[], bool] | None,
) -> ImageSet:
    """The gallery where it serves, else attacks made now or by an earlier run."""
    shipped = bundle.manifest.get("gallery", {}).get("evaluation", {}).get("attacked", 0)
    if kind.name == "one-pixel" and shipped >= kind.images:
        images = gallery_set(bundle, benign)
        if config.n is None or config.n >= len(images):
            return images
        drawn = np.random.default_rng(config.seed).permutation(len(images))[: config.n]
        # Of how many attacked images a part of the successes comes from is not known.
        return replace(images.take(drawn), attacked=0)

    def count(done: int, total: int) -> None:
        step(f"attack {kind.name}", done, total)

    question = f"{kind} {config.n} {config.seed} {len(benign)}"
    how: dict[str, Any] = {"n": config.n, "seed": config.seed, "on_image": count}
    how["should_stop"] = should_stop
    if isinstance(kind, Family):
        make = partial(attacked_set, bundle, benign, kind, **how)
    else:
        cuts = [best.calibration.threshold(c, ADVERSARY_ALPHA) for c in range(len(bundle.classes))]
        question += f" {best.name} {cuts}"
        make = partial(adversarial_set, bundle, benign, kind, best, measurer.passes, **how)
    return measurer.images(kind.name, question, make)


def _identity(each: _Set) -> dict[str, NDArray[Any]]:
    features = each.measured.features
    found: dict[str, NDArray[Any]] = {
        "keys": np.array(each.images.keys, np.str_),
        "labels": each.images.labels,
        "predicted": features.predicted,
        "confidence": features.probabilities.max(1).astype(np.float32),
        "where": each.images.where.astype(np.int16),
        "spot": features.position_at[:, :2].astype(np.int16),
    }
    if each.measured.repairs is not None:
        found["suspect"] = each.measured.repairs.suspect.astype(np.int16)
        found["repaired"] = each.measured.repairs.repaired.astype(np.int16)
    return found


def _regimes(bundle: Bundle, each: _Set) -> dict[str, Any] | None:
    """Share of images in each regime; None where the last layer is not the logits."""
    last = bundle.layers[-1]
    if bundle.reductions(last) != ("value",) or bundle.units(last) != len(bundle.classes):
        return None
    shares = typicality(each.measured.features.logits, bundle.distributions(last, "value"))
    names = np.array([regime_of(share) for share in shares])
    return {name: rate(names == name) for name in REGIMES}


def _about(kind: Family | Adversary, images: ImageSet) -> dict[str, Any]:
    return {
        "name": kind.name,
        "about": kind.about,
        "knows_the_detector": isinstance(kind, Adversary),
        "attacked": images.attacked or None,
        "n": len(images),
        "queries_mean": float(images.queries.mean()) if len(images) else None,
    }


def _document(
    bundle: Bundle,
    source: ImageSource,
    config: StudyConfig,
    detectors: Sequence[Detector],
    benign: dict[str, _Set],
    attacks: dict[str, _Set],
    controls: dict[str, _Set],
) -> dict[str, Any]:
    classes = bundle.classes
    held = benign["evaluation"]
    best = best_detector().name
    rows: list[dict[str, Any]] = []
    places: dict[str, Any] = {}
    evasion: dict[str, Any] = {}
    for detector in detectors:
        clean = Scored.of(detector, held.images, held.measured)
        per_attack = {}
        for name, each in attacks.items():
            scored = Scored.of(detector, each.images, each.measured)
            per_attack[name] = attack_figures(clean, scored, classes, config.seed)
            if detector.name == best:
                found = localisation(scored, each.images, each.measured)
                if found is not None:
                    places[name] = found
                evasion[name] = evasion_figures(scored)
        false_alarms = benign_figures(detector, clean, classes, config.seed)
        first = next(iter(per_attack.values()), {})
        rows.append(
            {
                "name": detector.name,
                "kind": detector.kind,
                "about": detector.about,
                "frozen": detector.name == best,
                "auroc": first.get("auroc"),
                "ci95": first.get("ci95"),
                "tpr_at_fpr": first.get("tpr_at_fpr"),
                "realised_fpr": {a: row["rate"] for a, row in false_alarms["pooled"].items()},
                "false_alarms": false_alarms,
                "attacks": per_attack,
                "controls": {
                    name: rate(Scored.of(detector, each.images, each.measured).p <= 0.05)
                    for name, each in controls.items()
                },
            }
        )
    # Whoever wins is printed first; on a tie a baseline comes before what it ties with.
    rows.sort(key=lambda row: (-(row["auroc"] or 0), row["kind"] != "baseline"))
    predicted = held.measured.features.predicted
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
        },
        "attacks": [_about(KINDS_OF_ATTACK[name], each.images) for name, each in attacks.items()],
        "detectors": rows,
        "localisation": places,
        "evasion": evasion,
    }


def _by_layer(
    measurer: Measurer, benign: _Set, attacks: dict[str, _Set]
) -> dict[str, dict[str, Any]]:
    """AUROC of every measure at every layer: measure -> attack -> lists in the layers' order."""
    right = benign.measured.features.predicted == benign.images.labels
    found: dict[str, dict[str, Any]] = {}
    for measure, (about, spatial, _) in layer_measures().items():
        layers = measurer.passes.conv if spatial else measurer.passes.layers
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
        found[measure] = {"about": about, "layers": list(layers), "attacks": rows}
    return found
