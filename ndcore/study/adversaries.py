"""Attackers who know the detector, run against it in the study.

They know the score, its thresholds and its repair, and may show it a few images before they
submit one. Their price is told beside what they gain: images flipped, queries, images shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.adaptive import (
    Flips,
    Hidden,
    RepairTable,
    all_flips,
    decoy,
    least_divergent,
    stealthy_de,
)
from ndcore.attacks.engines.fast import best_first
from ndcore.attacks.engines.inconspicuous import inconspicuous
from ndcore.attacks.engines.search import Candidates
from ndcore.bundles.bundle import Bundle
from ndcore.detectors.repair import repair
from ndcore.detectors.scoring.detector import FeatureDetector, Measured
from ndcore.detectors.scoring.features import FeaturePass
from ndcore.networks.evaluator import evaluator_for
from ndcore.study.image_sets import ImageSet

ALPHA = 0.05  # the alarm rate that they try to slip under
TRIES = 4  # images shown to the detector
QUERIES = {"least-divergent": 800, "stealthy-de": 4000, "decoy": 800}


@dataclass(frozen=True)
class Adversary:
    """A kind of attacker.

    Attributes:
        name: of the set.
        about: one line for people.
        images: how many correctly classified images are attacked, at most.
    """

    name: str
    about: str
    images: int


ADVERSARIES = (
    Adversary(
        "least-divergent",
        "one pixel, the least suspicious of all flips of two searches (any corner, and within the "
        "neighbours' range)",
        450,
    ),
    Adversary("stealthy-de", "one pixel, differential evolution: flip first, then hide", 80),
    Adversary("decoy", "two pixels, each of which flips alone", 250),
)


class Defence:
    """A model and the detector that guards it, all of which the attackers know.

    Args:
        bundle: whose model is attacked.
        detector: fitted.
        passes: to measure what an attacker shows it.
    """

    def __init__(self, bundle: Bundle, detector: FeatureDetector, passes: FeaturePass) -> None:
        self.evaluator = evaluator_for(bundle.model, bundle.shape)
        self.detector, self.passes = detector, passes
        threshold = detector.calibration.images.threshold
        self.cuts = np.array([threshold(c, ALPHA) for c in range(len(bundle.classes))])

    def judge(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """By how much the images lie above what passes."""
        repairs = repair(self.evaluator, images) if self.detector.needs_repair else None
        measured = Measured(self.passes.read(images), repairs)
        return np.asarray(self.detector.score(measured) - self.cuts[measured.features.predicted])


def adversarial_set(
    defence: Defence,
    benign: ImageSet,
    adversary: Adversary,
    *,
    n: int | None = None,
    seed: int = 0,
    on_image: Callable[[int, int], None] | None = None,
) -> ImageSet:
    """Attack images of `benign` that the model gets right; what the attacker submits.

    Args:
        defence: what is attacked.
        benign: images to start from, in this order.
        adversary: how.
        n: attack no more than this many images.
        seed: of the searches.
        on_image: called with (images done, images in all).
    """
    wanted = min(adversary.images, n or adversary.images)
    won: list[tuple[int, Hidden]] = []
    done = 0
    for index in range(len(benign)):
        if done == wanted:
            break
        image, label = benign.pixels[index], int(benign.labels[index])
        if defence.evaluator.plain(image[None])[0].argmax() != label:
            continue
        found = _attack(defence, adversary.name, image, label, benign.ids[index], seed)
        done += 1
        if found.success:
            won.append((index, found))
        if on_image:
            on_image(done, wanted)
    rows = np.array([index for index, _ in won], np.int64)
    places = [hidden.positions for _, hidden in won]
    one = [at[0] if at is not None and len(at) == 1 else np.array([-1, -1]) for at in places]
    submitted = [hidden.attacked for _, hidden in won if hidden.attacked is not None]
    return replace(
        benign.take(rows),
        name=adversary.name,
        pixels=np.stack(submitted) if submitted else benign.pixels[:0],
        where=np.array(one, np.int64).reshape(-1, 2),
        queries=np.array([hidden.queries for _, hidden in won], np.int64),
        attacked=done,
    )


def _attack(
    defence: Defence,
    name: str,
    image: NDArray[np.uint8],
    label: int,
    image_id: str,
    seed: int,
) -> Hidden:
    evaluator, judge = defence.evaluator, defence.judge
    found = partial(
        all_flips, evaluator, image, label, image_id, max_queries=QUERIES[name], seed=seed
    )
    if name == "decoy":
        return decoy(evaluator, image, label, found(), judge, TRIES)
    if name == "stealthy-de":
        table = RepairTable(evaluator, image)

        def suspicion(question: Candidates, logits: NDArray[np.float32]) -> NDArray[np.floating]:
            turn = table.own_turn(question.positions, logits)
            return np.asarray(turn - defence.cuts[logits.argmax(1)] + 1)

        flips = found(stealthy_de(suspicion))
        flips = replace(flips, queries=flips.queries + table.queries)
        return least_divergent(evaluator, image, label, flips, judge, table, TRIES)
    flips = _joined([found(best_first), found(inconspicuous)])
    if not len(flips):
        return Hidden(None, flips.queries, 0, float("nan"))
    table = RepairTable(evaluator, image)  # worth its queries only once something flips
    flips = replace(flips, queries=flips.queries + table.queries)
    return least_divergent(evaluator, image, label, flips, judge, table, TRIES)


def _joined(found: list[Flips]) -> Flips:
    """The flips of several searches; their queries are added up."""
    some = [flips for flips in found if len(flips)]
    queries = sum(flips.queries for flips in found)
    if not some:
        return replace(found[0], queries=queries)
    return Flips(
        positions=np.concatenate([flips.positions for flips in some]),
        colours=np.concatenate([flips.colours for flips in some]),
        logits=np.concatenate([flips.logits for flips in some]),
        queries=queries,
        first_hit=some[0].first_hit,
    )
