"""Attackers who know the detector, run against it in the study.

They know the score, its thresholds, its repair and the certificate, and may show it a few images
before they submit one. Their price is told beside what they gain: images flipped, queries, images
shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.adaptive import (
    Flips,
    Hidden,
    RepairTable,
    all_flips,
    at_places,
    decoy,
    least_divergent,
    stealthy_de,
)
from ndcore.attacks.engines.fast import best_first
from ndcore.attacks.engines.inconspicuous import inconspicuous
from ndcore.attacks.engines.search import Candidates, Problem, Search
from ndcore.bundles.bundle import Bundle
from ndcore.certificate.hole_attack import hole_colours
from ndcore.detectors.repair import repair, repair_at
from ndcore.detectors.scoring.detector import FeatureDetector, Measured
from ndcore.detectors.scoring.features import FeaturePass
from ndcore.networks.evaluator import evaluator_for
from ndcore.study.measured.image_sets import ImageSet

ALPHA = 0.05  # the alarm rate that they try to slip under
TRIES = 4  # images shown to the detector
SEARCH, HIDE = 800, 4000  # queries of a search for flips, and of the evolution that hides one
HOLES = 8  # that are attacked, at most


@dataclass(frozen=True)
class Adversary:
    """A kind of attacker.

    Attributes:
        name: of the set.
        about: one line for people.
        images: how many correctly classified images are attacked, at most.
        expected: share of them that it flips, for the estimate of a study's time alone.
        pixels: how many it changes.
    """

    name: str
    about: str
    images: int
    expected: float
    pixels: int = 1


ADVERSARIES = (
    Adversary(
        "least-divergent",
        "one pixel, the least suspicious of all flips of two searches (any corner, and within the "
        "neighbours' range)",
        450,
        0.25,
    ),
    Adversary(
        "stealthy-de",
        "one pixel, differential evolution where a search flips: flip first, then hide",
        450,
        0.25,
    ),
    Adversary("holes", "one pixel, a hole of the certificate, a grid of colours", 1000, 0.01),
    Adversary("decoy", "two pixels, each of which flips alone", 500, 0.22, 2),
    Adversary(
        "decoy-chosen",
        "two pixels, each of which flips alone, chosen among many against the detector",
        500,
        0.22,
        2,
    ),
    Adversary(
        "decoy-inconspicuous",
        "two pixels within the range of their neighbours, each of which flips alone",
        500,
        0.03,
        2,
    ),
)


class Defence:
    """A model and the detector that guards it, all of which the attackers know.

    Args:
        bundle: whose model is attacked.
        detector: fitted; None for none that they know, so the first they make is submitted.
        passes: to measure what an attacker shows it.
        holes: by source image what its certificate leaves open, int64 (S, 2); images that are not
            there have none that the attackers know of.
        seed: of their searches.
    """

    def __init__(
        self,
        bundle: Bundle,
        detector: FeatureDetector | None,
        passes: FeaturePass,
        holes: Mapping[str, NDArray[np.int64]] | None = None,
        seed: int = 0,
    ) -> None:
        self.evaluator = evaluator_for(bundle.model, bundle.shape)
        self.detector, self.passes, self.seed = detector, passes, seed
        self.holes = holes or {}
        self.cuts = np.zeros(len(bundle.classes))
        if detector is not None:
            threshold = detector.calibration.images.threshold
            self.cuts = np.array([threshold(c, ALPHA) for c in range(len(bundle.classes))])
        self._found: dict[tuple[str, str], Flips] = {}
        self._tables: dict[str, RepairTable] = {}

    def judge(self, images: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.float64]:
        """By how much the images, changed at positions (P, k, 2), lie above what passes.

        Where the repair of the changed pixels alone gives an image away, the rest is left out.
        """
        detector = self.detector
        if detector is None:
            return np.zeros(len(images))
        above = np.empty(len(images))
        for i in range(len(images)):
            one = self.passes.read(images[i : i + 1])
            label, made = int(one.predicted[0]), None
            if detector.needs_repair:
                made = repair_at(self.evaluator, images[i], positions[i])
                if detector.score(Measured(one, made))[0] <= self.cuts[label]:
                    made = repair(self.evaluator, images[i : i + 1])
            above[i] = detector.score(Measured(one, made))[0] - self.cuts[label]
        return above

    def flips(
        self, image: NDArray[np.uint8], label: int, image_id: str, search: str = "fast"
    ) -> Flips:
        """All flips of one of the two searches, made once for all attackers."""
        key = (image_id, search)
        if key not in self._found:
            engine = {"fast": best_first, "inconspicuous": inconspicuous}[search]
            self._found[key] = self.search(image, label, image_id, engine, SEARCH)
        return self._found[key]

    def search(
        self,
        image: NDArray[np.uint8],
        label: int,
        image_id: str,
        engine: Callable[[Problem, np.random.Generator], Search],
        queries: int,
    ) -> Flips:
        """All flips of a search."""
        return all_flips(
            self.evaluator, image, label, image_id, engine, max_queries=queries, seed=self.seed
        )

    def table(self, image: NDArray[np.uint8], image_id: str) -> RepairTable:
        """The repair table of an image; worth its queries only once something flips."""
        if image_id not in self._tables:
            self._tables[image_id] = RepairTable(self.evaluator, image)
        return self._tables[image_id]


def adversarial_set(
    defence: Defence,
    benign: ImageSet,
    adversary: Adversary,
    *,
    n: int | None = None,
    on_image: Callable[[int, int], None] | None = None,
) -> ImageSet:
    """Attack images of `benign` that the model gets right; what the attacker submits.

    Args:
        defence: what is attacked.
        benign: images to start from, in this order.
        adversary: how.
        n: attack no more than this many images.
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
        found = ATTACKS[adversary.name](defence, image, label, benign.ids[index])
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


def _least(
    defence: Defence, image: NDArray[np.uint8], label: int, image_id: str, flips: Flips
) -> Hidden:
    """The least suspicious of these."""
    if not len(flips):
        return Hidden(None, flips.queries, 0, float("nan"))
    table = defence.table(image, image_id)
    flips = replace(flips, queries=flips.queries + table.queries)
    return least_divergent(defence.evaluator, image, label, flips, defence.judge, table, TRIES)


def _least_divergent(
    defence: Defence, image: NDArray[np.uint8], label: int, image_id: str
) -> Hidden:
    searches = ("fast", "inconspicuous")
    flips = _joined([defence.flips(image, label, image_id, search) for search in searches])
    return _least(defence, image, label, image_id, flips)


def _stealthy_de(defence: Defence, image: NDArray[np.uint8], label: int, image_id: str) -> Hidden:
    known = defence.flips(image, label, image_id)
    if not len(known):
        return Hidden(None, known.queries, 0, float("nan"))
    table = defence.table(image, image_id)

    def suspicion(question: Candidates, logits: NDArray[np.float32]) -> NDArray[np.floating]:
        return table.own_turn(question.positions, logits)

    found = defence.search(image, label, image_id, stealthy_de(suspicion), HIDE)
    return _least(defence, image, label, image_id, _joined([known, found]))


def _holes(defence: Defence, image: NDArray[np.uint8], label: int, image_id: str) -> Hidden:
    places = defence.holes.get(image_id, np.zeros((0, 2), np.int64))[:HOLES]
    if not len(places):
        return Hidden(None, 0, 0, float("nan"))
    colours = hole_colours(image.shape[2])[:, ::-1]
    search = at_places(places, colours)
    flips = defence.search(image, label, image_id, search, len(places) * len(colours))
    return _least(defence, image, label, image_id, flips)


def _decoy(search: str, chosen: bool) -> Callable[[Defence, NDArray[np.uint8], int, str], Hidden]:
    def attack(defence: Defence, image: NDArray[np.uint8], label: int, image_id: str) -> Hidden:
        flips = defence.flips(image, label, image_id, search)
        evaluator, judge = defence.evaluator, defence.judge
        return decoy(evaluator, image, label, flips, judge, TRIES, chosen=chosen)

    return attack


ATTACKS: dict[str, Callable[[Defence, NDArray[np.uint8], int, str], Hidden]] = {
    "least-divergent": _least_divergent,
    "stealthy-de": _stealthy_de,
    "holes": _holes,
    "decoy": _decoy("fast", chosen=False),
    "decoy-chosen": _decoy("fast", chosen=True),
    "decoy-inconspicuous": _decoy("inconspicuous", chosen=True),
}


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
