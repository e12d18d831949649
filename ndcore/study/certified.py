"""What is proven of the evaluation images, and whether any attack ever broke the proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.one_pixel import alarm_on
from ndcore.detectors.scoring.detector import FeatureDetector
from ndcore.networks.evaluator import Evaluator
from ndcore.statistics.conformal import ClassCalibration
from ndcore.statistics.roc import rate
from ndcore.study.config import KINDS_OF_ATTACK, pixels_of
from ndcore.study.document import StudySet
from ndcore.study.measured.proofs import ProvenRepairs
from ndcore.study.report import MAIN_ALPHA, Scored

FEW = 2  # pixels
LEVELS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2)


class Proven:
    """The benign evaluation images with their proofs, and the attacks made from them.

    Args:
        benign: measured with `proven`.
        attacks: by name; only those that change one pixel can break a proof.
        classes: names.
    """

    def __init__(
        self, benign: StudySet, attacks: Mapping[str, StudySet], classes: Sequence[str]
    ) -> None:
        made = benign.measured.repairs
        assert isinstance(made, ProvenRepairs)
        self.benign, self.made, self.classes = benign, made, tuple(classes)
        self.one_pixel = {
            name: each for name, each in attacks.items() if (each.images.where >= 0).all()
        }
        self.right = made.clear & (made.predicted == benign.images.labels)
        broken = {key for each in self.one_pixel.values() for key in each.images.ids}
        self.breakable = self.right & np.isin(benign.images.ids, list(broken))
        self.twin = {key: at for at, key in enumerate(benign.images.ids)}

    def shares(self, certified: NDArray[np.bool_]) -> dict[str, Any]:
        """Certified share of the correct images and of those that one pixel is known to break."""
        return {
            "correct": rate(certified[self.right]),
            "breakable": rate(certified[self.breakable]),
        }

    def alarms(self, flagged: NDArray[np.bool_]) -> dict[str, Any]:
        """Share of benign images that are flagged: of all, of the correct and of the wrong."""
        return {
            "all": rate(flagged),
            "correct": rate(flagged[self.right]),
            "wrong": rate(flagged[~self.right]),
        }

    def certified_by(self, detector: FeatureDetector, alpha: float) -> NDArray[np.bool_]:
        """Which benign images (N,) no change of one pixel can leave unnoticed by a detector."""
        known: ClassCalibration = detector.calibration.images
        cuts = np.array([known.threshold(c, alpha) for c in range(len(self.classes))])
        return self.made.certified_at(detector.bound(self.made.most, self.made.holes), cuts)


def certificate_figures(
    proven: Proven, detectors: Sequence[FeatureDetector], exact: Evaluator, frozen: str
) -> dict[str, Any]:
    """Rule `flip`, certified shares at every level of false alarms, and the proof on attacks.

    Args:
        proven: images and attacks.
        detectors: fitted; those of which nothing is proven are left out.
        exact: to ask again, in float32, where an attack seems to break the proof.
        frozen: name of the frozen detector.
    """
    made, labels = proven.made, proven.benign.images.labels
    flip = made.certified
    curves = {
        each.name: _curve(proven, each)
        for each in detectors
        if np.isfinite(each.bound(made.most, made.holes)).any()
    }
    guard = next((each for each in detectors if each.name == frozen), None)
    return {
        "n": len(made),
        "accuracy": rate(made.predicted == labels),
        "certified_accuracy": rate(flip & proven.right),
        "broken_by": list(proven.one_pixel),
        "flip": proven.shares(flip) | {"alarms": proven.alarms(~flip)},
        "per_class": {
            name: rate(flip[proven.right & (labels == c)])
            for c, name in enumerate(proven.classes)
            if (proven.right & (labels == c)).any()
        },
        "frozen": frozen,
        "curves": curves,
        "attacks": [_kept(proven, name, exact, guard) for name in proven.one_pixel],
    }


def _curve(proven: Proven, detector: FeatureDetector) -> list[dict[str, Any]]:
    clean = Scored.of(detector, proven.benign.images, proven.benign.measured)
    found = []
    for alpha in LEVELS:
        certified = proven.certified_by(detector, alpha)
        alarms = proven.alarms(clean.p <= alpha)
        found.append({"alpha": alpha, "alarms": alarms, "certified": proven.shares(certified)})
    return found


def _kept(
    proven: Proven, name: str, exact: Evaluator, guard: FeatureDetector | None
) -> dict[str, Any]:
    """How many attacks of one kind the proofs speak of, and how many break one."""
    each = proven.one_pixel[name]
    rows = [i for i, key in enumerate(each.images.ids) if key in proven.twin]
    twins = np.array([proven.twin[each.images.ids[i]] for i in rows], np.int64)
    repairs = each.measured.known_repairs
    certified = proven.made.certified[twins]
    broken = [
        i
        for i, sure in zip(rows, certified, strict=True)
        if sure and not repairs.flips[i] and not _alarm(exact, each, i)
    ]
    found = {
        "name": name,
        "n": len(rows),
        "caught_by_flip": rate(repairs.flips[rows]),
        "on_certified": int(certified.sum()),
        "violations": len(broken),
    }
    if guard is not None:
        scored = Scored.of(guard, each.images, each.measured)
        sure = proven.certified_by(guard, MAIN_ALPHA)[twins]
        found |= {
            "on_certified_by_frozen": int(sure.sum()),
            "violations_of_frozen": int((sure & ~(scored.p[rows] <= MAIN_ALPHA)).sum()),
        }
    return found


def bounds(proven: Proven, frozen: FeatureDetector) -> dict[str, Any]:
    """Shares of correct images that are not certified, above which no evasion by one pixel comes.

    `bound` of the frozen detector at 5%, `flip_bound` of the rule `flip`.
    """
    sure = proven.certified_by(frozen, MAIN_ALPHA)
    return {
        "bound": rate(~sure[proven.right]),
        "flip_bound": rate(~proven.made.certified[proven.right]),
    }


def caught_by_flip(attacked: StudySet) -> dict[str, Any]:
    """`by_flip`: successes that the rule `flip` catches; `flip_evasion`: flipped and not caught,
    of all images attacked, None where their number is unknown.
    """
    flips, tried = attacked.measured.known_repairs.flips, attacked.images.attacked
    missed = int((~flips).sum())
    known = tried >= len(flips)
    return {
        "by_flip": rate(flips),
        "flip_evasion": rate(np.arange(tried) < missed) if known else None,
    }


def _alarm(exact: Evaluator, attacked: StudySet, at: int) -> bool:
    """Whether the rule `flip` objects, in float32, to one attacked image."""
    row, col = attacked.images.where[at].tolist()
    return alarm_on(exact, attacked.images.pixels[at], (row, col))


def mead(caught: Mapping[str, tuple[Sequence[str], NDArray[np.bool_]]]) -> dict[str, Any]:
    """Images of which all attacks are caught, among those that some attack flipped.

    Args:
        caught: by kind of attack the source image of each success, and whether it was flagged.

    Reference:
        Granese et al. 2022, "MEAD: a multi-armed approach for evaluation of adversarial examples
        detectors".
    """
    every: dict[str, bool] = {}
    for keys, flagged in caught.values():
        for key, found in zip(keys, flagged.tolist(), strict=True):
            every[key] = every.get(key, True) and found
    return rate(np.array(list(every.values()), bool)) | {"attacks": list(caught)}


def mead_figures(frozen: FeatureDetector, attacks: Mapping[str, StudySet]) -> dict[str, Any]:
    """`mead` of the attacks that change one or two pixels, and of all kinds."""
    caught = {
        name: (each.images.ids, Scored.of(frozen, each.images, each.measured).p <= MAIN_ALPHA)
        for name, each in attacks.items()
    }
    pixels = {name: pixels_of(KINDS_OF_ATTACK[name]) for name in attacks}
    few = {name: found for name, found in caught.items() if 0 < pixels[name] <= FEW}
    return {"few-pixels": mead(few), "all": mead(caught)}


def with_bounds(
    proven: Proven,
    frozen: FeatureDetector,
    attacks: Mapping[str, StudySet],
    evasion: Mapping[str, Mapping[str, Any]],
    tried: Mapping[str, int],
) -> dict[str, Any]:
    """The attackers' rows with what is proven beside what they reach.

    Args:
        proven, frozen: what is proven by which detector.
        attacks: with successes, and `evasion`: the rows of these.
        tried: of attackers without any success how many images they attacked.
    """
    found: dict[str, Any] = {
        name: {**row, **caught_by_flip(attacks[name])} for name, row in evasion.items()
    }
    nothing = rate(np.zeros(0, bool))
    for name, count in tried.items():
        none = rate(np.zeros(count, bool))
        found[name] = {
            "attacked": count,
            "success": none,
            "detected": nothing,
            "evasion": none,
            "queries_mean": None,
            "by_flip": nothing,
            "flip_evasion": none,
        }
    limit = bounds(proven, frozen)
    for name, row in found.items():
        row["pixels"] = pixels_of(KINDS_OF_ATTACK[name])
        row |= limit if row["pixels"] == 1 else {}
    return found


def holes_of(benign: StudySet) -> dict[str, NDArray[np.int64]]:
    """By source image the pixels (S, 2) through which a change can pass, where there are any."""
    made = benign.measured.repairs
    if not isinstance(made, ProvenRepairs):
        return {}
    rows = np.flatnonzero((made.taken >= 0).any((1, 2))).tolist()
    return {benign.images.ids[at]: np.argwhere(made.taken[at] >= 0) for at in rows}
