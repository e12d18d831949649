"""`study detectors`: measure, fit, score, and tell how well every detector does.

Reference images give statistics, dev images one scale for all layers, calibration images the
p-values; evaluation images and the attacks made from them are looked at once, by detectors that
were fixed before. A killed study goes on where it stopped.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.detectors.registry import compared_detectors
from ndcore.detectors.scoring.detector import FeatureDetector
from ndcore.errors import BadRequestError
from ndcore.networks.steepest import gradient_of
from ndcore.networks.stoppable import stoppable
from ndcore.steps import ShouldStop, Step, no_step
from ndcore.storage.places import study_dir
from ndcore.study.adversaries import ADVERSARIES, Adversary, Defence, adversarial_set
from ndcore.study.config import StudyConfig
from ndcore.study.desk import BENIGN, DESK, PAIRED, Desk, dev_attack, make_desk
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
    should_stop: ShouldStop = None,
) -> SavedStudy:
    """Run, or finish, a study and save it.

    Args:
        bundle: what is studied.
        source: the data the bundle was built from.
        config: how much of it.
        folder: for its pieces and its outcome; None for `study_dir`.
        on_step: called with (what is being done, done, total).
        should_stop: asked before every function of torch; the pieces made so far stay.

    Raises:
        BadRequestError: the data lacks the bundle's images.
        StoppedError: `should_stop` said so.
    """
    with stoppable(should_stop):
        return _run(bundle, source, config, folder or study_dir(bundle.name), on_step)


def _run(
    bundle: Bundle, source: ImageSource, config: StudyConfig, folder: Path, on_step: Step
) -> SavedStudy:
    measurer = Measurer(bundle, source, folder, config.per_class, config.seed, on_step)

    def measured(images: ImageSet) -> StudySet:
        return StudySet(images, measurer.measure(images, config.repairs))

    benign = {}
    for split, n in _benign_images(config).items():
        benign[split] = measured(benign_set(bundle, source, split, n, config.seed))
    everyone = benign_set(bundle, source, "evaluation", None, config.seed)
    on_step("scores", 0, 0)
    detectors = _detectors(measurer, config.repairs)
    for detector in detectors:
        detector.fit(benign["dev"].measured, benign["calibration"].measured, measurer.reference)
    attacks: dict[str, StudySet] = {}
    none: list[dict[str, Any]] = []
    kinds, left_out = _wanted(config, bundle, everyone)
    for kind in kinds:
        images = _attacked(measurer, everyone, kind, detectors[0], config)
        if len(images):
            attacks[kind.name] = measured(images)
        else:
            none.append(attack_row(kind, images))
    controls = {}
    for name in CONTROLS:
        n = min(CONTROL_IMAGES, config.n or CONTROL_IMAGES)
        images = control_set(bundle, everyone, name, n=n, seed=config.seed)
        if len(images):
            controls[name] = measured(images)
    document = study_document(bundle, source, config, detectors, benign, attacks, controls)
    document["attacks"] += none
    document["left_out"] = left_out
    document["layers"] = layer_figures(measurer.passes, benign["evaluation"], attacks)
    document["regimes"] = regime_figures(bundle, {"benign": benign["evaluation"]} | attacks)
    sets = {name: benign[name] for name in ("calibration", "evaluation")} | attacks | controls
    study = SavedStudy(
        document=document,
        scores={
            name: np.stack([d.score(each.measured) for d in detectors], 1).astype(np.float32)
            for name, each in sets.items()
        },
        about={name: _identity(each) for name, each in sets.items()},
        names=tuple(detector.name for detector in detectors),
    )
    save_study(folder, study)
    _desk(measurer, benign, attacks, config.seed).save(folder / DESK)
    return study


def _benign_images(config: StudyConfig) -> dict[str, int | None]:
    """How many of each split are measured; None for all."""
    n = config.n
    return {
        "dev": None if n is None else DEV_SHARE * n,
        "calibration": None if n is None else CALIBRATION_SHARE * n,
        "evaluation": min(n or BENIGN_IMAGES, BENIGN_IMAGES),
    }


def _desk(
    measurer: Measurer, benign: dict[str, StudySet], attacks: dict[str, StudySet], seed: int
) -> Desk:
    """Scores of every layer, and attacks on dev images, to choose hypotheses with."""
    kept = {name: each for name, each in (benign | attacks).items() if name in (*BENIGN, *PAIRED)}
    pairs = {name: (each.images, each.measured) for name, each in kept.items()}
    for family in FAMILIES:
        if family.name in PAIRED and family.name in attacks:
            images = dev_attack(measurer, benign["dev"].images, family, seed)
            if len(images):
                pairs[images.name] = (images, measurer.measure(images, repairs=False))
    return make_desk(measurer.bundle, measurer.passes, pairs)


def _detectors(measurer: Measurer, repairs: bool) -> list[FeatureDetector]:
    passes = measurer.passes
    found = compared_detectors(passes.layers, passes.conv, passes.units)
    return [detector for detector in found if repairs or not detector.needs_repair]


def _wanted(
    config: StudyConfig, bundle: Bundle, benign: ImageSet
) -> tuple[list[Family | Adversary], list[str]]:
    """The kinds asked for, in their usual order; adversaries only where the repair is run.

    And the names of those that a model without a gradient cannot be attacked by.
    """
    kinds: list[Family | Adversary] = [*FAMILIES, *(ADVERSARIES if config.repairs else ())]
    if config.attacks is not None:
        return [kind for kind in kinds if kind.name in config.attacks], []
    try:
        gradient_of(bundle.model, benign.pixels[0], torch.sum)
    except BadRequestError:
        pass
    else:
        return kinds, []
    left = [kind for kind in kinds if isinstance(kind, Family) and not kind.config.searches]
    return [kind for kind in kinds if kind not in left], [kind.name for kind in left]


def _attacked(
    measurer: Measurer,
    benign: ImageSet,
    kind: Family | Adversary,
    best: FeatureDetector,
    config: StudyConfig,
) -> ImageSet:
    """The gallery where it serves, else attacks made now or by an earlier run."""
    bundle = measurer.bundle
    shipped = bundle.manifest.get("gallery", {}).get("evaluation", {}).get("attacked", 0)
    if kind.name == "one-pixel" and shipped >= kind.images:
        images = gallery_set(bundle, benign)
        if config.n is None or config.n >= len(images):
            return images
        drawn = np.random.default_rng(config.seed).permutation(len(images))[: config.n]
        # Of how many attacked images a part of the successes comes from is not known.
        return replace(images.take(drawn), attacked=0)
    question = f"{kind} {config.n} {config.seed} {len(benign)}"
    if isinstance(kind, Family):
        make = partial(attacked_set, bundle, benign, kind, n=config.n, seed=config.seed)
    else:
        defence = Defence(bundle, best, measurer.passes)
        question += f" {best.name} {defence.cuts.tolist()}"
        make = partial(adversarial_set, defence, benign, kind, n=config.n, seed=config.seed)
    return measurer.images(kind.name, question, make)


def _identity(each: StudySet) -> dict[str, NDArray[Any]]:
    features = each.measured.features
    found: dict[str, NDArray[Any]] = {
        "keys": np.array(each.images.ids, np.str_),
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
