"""`study detectors`: measure, fit, score, and tell how well every detector does.

Reference images give statistics, dev images one scale for all layers, calibration images the
p-values; evaluation images and the attacks made from them are looked at once, by detectors that
were fixed before. A killed study goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import ImageSource
from ndcore.detectors.scoring.baselines import baseline_detectors
from ndcore.detectors.scoring.detector import Detector
from ndcore.detectors.scoring.scores import divergence_detectors, our_detectors
from ndcore.steps import Step, no_step
from ndcore.storage.places import study_dir
from ndcore.study.adversaries import ADVERSARIES, Adversary, adversarial_set
from ndcore.study.adversaries import ALPHA as ADVERSARY_ALPHA
from ndcore.study.config import StudyConfig
from ndcore.study.desk import BENIGN, DESK, PAIRED, dev_attack, make_desk
from ndcore.study.document import (
    StudySet,
    attack_row,
    layer_figures,
    regime_figures,
    study_document,
)
from ndcore.study.image_sets import (
    CONTROLS,
    FAMILIES,
    Family,
    ImageSet,
    attacked_set,
    benign_set,
    control_set,
    gallery_set,
)
from ndcore.study.measurements import Measurer
from ndcore.study.saved import SavedStudy, save_study

__all__ = ["StudyConfig", "run_study"]

DEV_SHARE, CALIBRATION_SHARE = 2, 4  # images of these splits per evaluation image, with a limit
BENIGN_IMAGES = 1500  # evaluation images that are judged, at most; attacks are made from all
CONTROL_IMAGES = 60


def run_study(
    bundle: Bundle,
    source: ImageSource,
    config: StudyConfig,
    folder: Path | None = None,
    *,
    on_step: Step = no_step,
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
    folder = folder or study_dir(bundle.name)
    measurer = Measurer(bundle, source, folder, config.per_class, config.seed, on_step, should_stop)
    measure = partial(measurer.measure, repairs=config.repairs)
    limits = {"dev": DEV_SHARE, "calibration": CALIBRATION_SHARE, "evaluation": 1}
    benign = {}
    for split, share in limits.items():
        n = None if config.n is None else share * config.n
        if split == "evaluation":
            n = min(n or BENIGN_IMAGES, BENIGN_IMAGES)
        images = benign_set(bundle, source, split, n, config.seed)
        benign[split] = StudySet(images, measure(images))
    everyone = benign_set(bundle, source, "evaluation", None, config.seed)
    on_step("scores", 0, 0)
    detectors = _detectors(measurer, config.repairs)
    for detector in detectors:
        detector.fit(measurer.reference, benign["dev"].measured, benign["calibration"].measured)
    attacks: dict[str, StudySet] = {}
    none: list[dict[str, Any]] = []
    for kind in _wanted(config):
        images = _attacked(
            bundle, measurer, everyone, kind, detectors[0], config, on_step, should_stop
        )
        if len(images):
            attacks[kind.name] = StudySet(images, measure(images))
        else:
            none.append(attack_row(kind, images))
    controls = {}
    for name in CONTROLS:
        n = min(CONTROL_IMAGES, config.n or CONTROL_IMAGES)
        images = control_set(bundle, everyone, name, n=n, seed=config.seed)
        if len(images):
            controls[name] = StudySet(images, measure(images))
    document = study_document(bundle, source, config, detectors, benign, attacks, controls)
    document["attacks"] += none
    document["layers"] = layer_figures(measurer.passes, benign["evaluation"], attacks)
    document["regimes"] = regime_figures(bundle, {"benign": benign["evaluation"]} | attacks)
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
            images = dev_attack(bundle, measurer, dev, family, config.seed, on_step, should_stop)
            if len(images):
                pairs[images.name] = (images, measurer.measure(images, repairs=False))
    make_desk(bundle, measurer.passes, pairs).save(folder / DESK)
    return study


def _detectors(measurer: Measurer, repairs: bool) -> list[Detector]:
    # Imported here, where it is used: it takes seconds and pages show finished studies only.
    from ndcore.detectors.scoring.ood_library import library_detectors

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


def _identity(each: StudySet) -> dict[str, NDArray[Any]]:
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
