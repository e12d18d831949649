"""Which detector is frozen: chosen among a few on dev images, before any other is looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from ndcore.detectors.by_repair import BEST
from ndcore.detectors.scoring.detector import FeatureDetector
from ndcore.detectors.scoring.reference import Reference
from ndcore.detectors.scoring.scores import RepairScore, repair_or_outlier
from ndcore.statistics.roc import rate
from ndcore.study.desk import PAIRED, dev_attack
from ndcore.study.document import StudySet
from ndcore.study.measured.adversaries import ADVERSARIES, ALPHA, Defence, adversarial_set
from ndcore.study.measured.image_sets import FAMILIES, ImageSet
from ndcore.study.measured.measurements import Measurer
from ndcore.study.report import Scored

RULE = (
    "the largest share caught of the kind of attack on dev images that it catches worst, at 5% "
    "false alarms per predicted class among benign dev images; of equals the first; kinds with "
    "fewer than 20 successes do not count where others have more"
)
LEAST = 20
# Attackers whose work on dev images the choice is made on; they know no detector there.
FEINTS = ("least-divergent", "decoy", "decoy-inconspicuous")


def candidates() -> list[FeatureDetector]:
    """What is chosen from, unfitted; the simplest first."""
    repairs = (BEST, "repair-flip", "repair-pair", "repair-pair-flip")
    return [*(RepairScore(name) for name in repairs), repair_or_outlier()]


def judged_on(measurer: Measurer, dev: ImageSet, seed: int) -> dict[str, StudySet]:
    """Attacks on dev images that the choice is made on, measured: the sets `dev-KIND`."""
    plain = [dev_attack(measurer, dev, each, seed) for each in FAMILIES if each.name in PAIRED]
    found = [*plain, *_feints(measurer, dev, plain[0], seed)]
    return {each.name: StudySet(each, measurer.measure(each)) for each in found if len(each)}


def _feints(measurer: Measurer, dev: ImageSet, broken: ImageSet, seed: int) -> list[ImageSet]:
    """What attackers make of the dev images that the plain attack breaks."""
    members = [dev.ids.index(key) for key in broken.ids]
    images = dev.take(members)
    defence = Defence(measurer.bundle, None, measurer.passes, seed=seed)
    found = []
    for adversary in ADVERSARIES:
        if adversary.name in FEINTS:
            named = replace(adversary, images=len(images))
            make = partial(adversarial_set, defence, images, named)
            name = f"dev-{adversary.name}"
            made = measurer.images(name, f"{named} {seed} {images.ids}", make)
            found.append(replace(made, name=name))
    return found


def choose(
    reference: Reference, dev: StudySet, attacks: Mapping[str, StudySet]
) -> tuple[str, dict[str, Any]]:
    """The candidate that is frozen, and what the choice was made on.

    Args:
        reference: for scores that need it.
        dev: benign; attacks: on dev images, by kind.

    Returns:
        Its name, and `{rule, chosen, images, rows}`; a row has `name`, `about`, `false_alarms` and
        under `caught` the share of each kind of attack.
    """
    rows, worst = [], []
    for each in candidates():
        each.fit(dev.measured, dev.measured, reference)
        caught = {
            name: rate(Scored.of(each, found.images, found.measured).p <= ALPHA)
            for name, found in attacks.items()
        }
        many = [share for share in caught.values() if share["n"] >= LEAST] or [*caught.values()]
        worst.append(min((share["rate"] for share in many), default=0.0))
        alarms = rate(Scored.of(each, dev.images, dev.measured).p <= ALPHA)
        rows.append(
            {"name": each.name, "about": each.about, "caught": caught, "false_alarms": alarms}
        )
    chosen = str(rows[int(np.argmax(worst))]["name"])
    about = {"rule": RULE, "chosen": chosen, "images": len(dev.images), "rows": rows}
    return chosen, about
