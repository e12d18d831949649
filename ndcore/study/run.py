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
from ndcore.study.candidates import choose, judged_on
from ndcore.study.certified import (
    Proven,
    certificate_figures,
    holes_of,
    mead_figures,
    with_bounds,
)
from ndcore.study.config import StudyConfig, amounts
from ndcore.study.desk import BENIGN, DESK, PAIRED, Desk, dev_attack, make_desk
from ndcore.study.document import (
    StudySet,
    attack_row,
    layer_figures,
    regime_figures,
    study_document,
)
from ndcore.study.families import FAMILY_IMAGES, best_for, family_figures
from ndcore.study.measured.adversaries import ADVERSARIES, Adversary, Defence, adversarial_set
from ndcore.study.measured.elsewhere import Elsewhere
from ndcore.study.measured.estimate import Estimate, estimate
from ndcore.study.measured.image_sets import (
    CONTROLS,
    FAMILIES,
    Family,
    ImageSet,
    attacked_set,
    benign_set,
    control_set,
    gallery_set,
)
from ndcore.study.measured.measurements import Measurer
from ndcore.study.saved import SavedStudy, save_study

CURVES = ("repair-turn", "repair-floor", "repair-flip")  # beside the frozen one's


def run_study(
    bundle: Bundle,
    source: ImageSource,
    config: StudyConfig,
    folder: Path | None = None,
    *,
    on_step: Step = no_step,
    on_estimate: Callable[[Estimate], None] | None = None,
    should_stop: ShouldStop = None,
    share: Callable[[Measurer], Elsewhere] | None = None,
) -> SavedStudy:
    """Run, or finish, a study and save it.

    Args:
        bundle: what is studied.
        source: the data the bundle was built from.
        config: how much of it.
        folder: for its pieces and its outcome; None for `study_dir`.
        on_step: called with (what is being done, done, total).
        on_estimate: called once with how long all of it takes, also where an earlier run has made
            a part; the estimate itself takes some seconds.
        should_stop: asked before every function of torch; the pieces made so far stay.
        share: makes of what measures a crew that does a part of it; None: all is done here.

    Raises:
        BadRequestError: the data lacks the bundle's images.
        StoppedError: `should_stop` said so.
    """
    with stoppable(should_stop):
        measurer = Measurer(
            bundle, source, folder or study_dir(bundle.name), config.per_class, config.seed, on_step
        )
        measurer.elsewhere = None if share is None else share(measurer)
        return _run(measurer, source, config, on_estimate)


def _run(
    measurer: Measurer,
    source: ImageSource,
    config: StudyConfig,
    on_estimate: Callable[[Estimate], None] | None,
) -> SavedStudy:
    bundle, seed = measurer.bundle, config.seed

    def measured(images: ImageSet, proven: bool = False) -> StudySet:
        made = measurer.measure(images, config.repairs, proven=proven)
        return StudySet(images, made)

    counts = amounts(config)
    first = benign_set(bundle, source, "dev", 1, seed)
    kinds, left_out = _wanted(config, bundle, first)
    if on_estimate and config.repairs:
        on_estimate(estimate(measurer, first, kinds, counts, config.n))
    dev = measured(benign_set(bundle, source, "dev", counts["dev"], seed))
    # What is frozen, and what is best for which attack, is chosen before any other split is seen.
    on_dev = judged_on(measurer, dev.images, seed) if config.repairs else {}
    name, choice = choose(measurer.reference, dev, on_dev) if config.repairs else ("", None)
    families = _on_dev(measurer, dev.images, kinds, config)
    benign = {"dev": dev}
    for split in ("calibration", "evaluation"):
        images = benign_set(bundle, source, split, counts[split], seed)
        benign[split] = measured(images, proven=split == "evaluation")
    everyone = benign_set(bundle, source, "evaluation", None, seed)
    measurer.on_step("scores", 0, 0)
    detectors = _detectors(measurer, config.repairs)
    for detector in detectors:
        detector.fit(dev.measured, benign["calibration"].measured, measurer.reference)
    frozen = next((each for each in detectors if each.name == name), None)
    suited = best_for(dev, families, detectors)
    defence = Defence(bundle, frozen, measurer.passes, holes_of(benign["evaluation"]), seed)
    attacks: dict[str, StudySet] = {}
    none: list[dict[str, Any]] = []
    tried: dict[str, int] = {}
    for kind in kinds:
        start = benign["evaluation"].images if kind.name == "holes" else everyone
        images = _attacked(measurer, start, kind, defence, config)
        if len(images):
            attacks[kind.name] = measured(images)
        else:
            none.append(attack_row(kind, images))
            tried |= {kind.name: images.attacked} if isinstance(kind, Adversary) else {}
    controls = {}
    for control in CONTROLS:
        images = control_set(bundle, everyone, control, n=counts["control"], seed=seed)
        if len(images):
            controls[control] = measured(images)
    document = study_document(bundle, source, config, detectors, benign, attacks, controls, name)
    document["attacks"] += none
    document["left_out"] = left_out
    document["layers"] = layer_figures(measurer.passes, benign["evaluation"], attacks)
    document["regimes"] = regime_figures(bundle, {"benign": benign["evaluation"]} | attacks)
    if frozen is not None:
        document["choice"] = choice
        shown = [each for each in detectors if each.name in (name, *CURVES)]
        proven = Proven(benign["evaluation"], attacks, bundle.classes)
        document |= {
            "certificate": certificate_figures(proven, shown, measurer.exact, name),
            "mead": mead_figures(frozen, attacks),
            "evasion": with_bounds(proven, frozen, attacks, document["evasion"], tried),
        }
        document["families"] = family_figures(
            frozen, suited, detectors, benign, attacks, measurer.reference
        )
        broken, most = attacks.get("one-pixel"), counts["self-test"]
        document["self_test"] = _self_test(measurer, defence, everyone, broken, most)
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
    save_study(measurer.folder, study)
    _desk(measurer, benign, attacks, seed).save(measurer.folder / DESK)
    return study


def _on_dev(
    measurer: Measurer, dev: ImageSet, kinds: list[Family | Adversary], config: StudyConfig
) -> dict[str, StudySet]:
    """Attacks on dev images that a family's best detector is chosen on, none of them empty."""
    found = {}
    for kind in kinds:
        if kind.name in FAMILY_IMAGES and isinstance(kind, Family):
            most = FAMILY_IMAGES[kind.name]
            fewer = replace(kind, images=min(config.n or most, most))
            images = dev_attack(measurer, dev, fewer, config.seed)
            if len(images):
                found[kind.name] = StudySet(images, measurer.measure(images, repairs=False))
    return found


def _self_test(
    measurer: Measurer, defence: Defence, benign: ImageSet, broken: StudySet | None, most: int
) -> dict[str, Any] | None:
    """How strong the attackers are where a flip that passes is known to exist."""
    if broken is None:
        return None
    images = benign.take([benign.ids.index(key) for key in broken.images.ids[:most]])
    found = measurer.self_test(defence, images)
    return None if found is None else found.to_dict()


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
    defence: Defence,
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
        make = partial(
            attacked_set,
            bundle,
            benign,
            kind,
            n=config.n,
            seed=config.seed,
            attack=measurer.attack,
        )
    else:
        known = defence.detector.name if defence.detector else ""
        question += f" {known} {defence.cuts.tolist()}"
        make = partial(adversarial_set, defence, benign, kind, n=config.n)
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
