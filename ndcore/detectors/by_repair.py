"""Detectors of one changed pixel: how far repairing a single pixel takes the prediction away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.observed import Observed
from ndcore.detectors.detector import Detector
from ndcore.detectors.repair import Repairs, repair
from ndcore.detectors.second_repair import SecondRepair, second_repair
from ndcore.detectors.verdict import Verdict
from ndcore.networks.evaluator import evaluator_for

# Name -> title, and what it is.
REPAIR_SCORES = {
    "repair-turn": (
        "repairing each pixel",
        "largest fall of the log-odds when one pixel is repaired, less half of what they were: how "
        "far one pixel turns the prediction around",
    ),
    "repair-drop": (
        "repairing each pixel, the odds alone",
        "largest fall of the predicted class's log-odds when one pixel is repaired",
    ),
    "repair-flip": (
        "repairing each pixel, flips first",
        "whether one repair changes the label, and then how far one repair turns the prediction",
    ),
    "repair-pair": (
        "repairing each pixel and pairs of suspects",
        "largest fall of the log-odds when one pixel or a pair of suspects is repaired, less half "
        "of what they were",
    ),
    "repair-pair-flip": (
        "repairing each pixel and pairs of suspects, flips first",
        "whether the repair of one pixel or a pair of suspects changes the label, and then how far "
        "it turns the prediction",
    ),
    "repair-floor": (
        "repairing each pixel, what is left",
        "minus the least log-odds of the predicted class in any repair",
    ),
    "repair-lost": (
        "repairing each pixel, the probability alone",
        "largest fall of the predicted class's probability when one pixel is repaired",
    ),
}
# The usual one where no study has chosen among them.
BEST = "repair-turn"


# Share of the log-odds that is taken off the fall.
_LESS = {"repair-drop": 0.0, "repair-floor": 1.0}
HALF = 0.5
_FLIPS_FIRST = ("repair-flip", "repair-pair-flip")
_PAIRS = ("repair-pair", "repair-pair-flip")
FIRST = 1000.0  # puts what flips above all that does not; log-odds are far smaller


def repair_score(name: str, repairs: Repairs) -> NDArray[np.float64]:
    """Scores (N,); `name` is a key of `REPAIR_SCORES`."""
    found = repairs.lost if name == "repair-lost" else repairs.drop
    largest = found.reshape(len(found), -1).max(1).astype(np.float64)
    if name == "repair-lost":
        return np.asarray(largest)
    flips = repairs.flips
    if name in _PAIRS:
        largest, flips = np.maximum(largest, repairs.pair_drop), flips | repairs.pair_flips
    turned = largest - _LESS.get(name, HALF) * repairs.log_odds
    return np.asarray(turned + FIRST * flips if name in _FLIPS_FIRST else turned)


def repair_bound(
    name: str, most: NDArray[np.floating], holes: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """What the score of an image after any change of one pixel cannot fall below, (N, classes).

    Let a change of pixel v of x give the class c, with log-odds L >= -ln(classes - 1), or else c
    would not be predicted. Repairing v gives R_v(x), as it would of x itself, in which c has the
    log-odds l: so the fall is at least L - l, and the fall less the share w of L is at least
    -(1 - w) ln(classes - 1) - l. The repair flips unless v is a hole of x to c. Pairs only raise
    a score.

    Args:
        name: a key of `REPAIR_SCORES`.
        most: (N, classes), the largest log-odds of each class in any single repair of x, those
            that change nothing among them.
        holes: (N, classes), whether any repair of x is, or may be, taken for this class.

    Returns:
        Column c: of changes that give the class c; -inf where nothing is proven of this score.
    """
    if name == "repair-lost":
        return np.full(most.shape, -np.inf)
    rest = 1 - _LESS.get(name, HALF)
    turned = -rest * np.log(most.shape[1] - 1) - most.astype(np.float64)
    if name in _FLIPS_FIRST:
        turned = np.where(holes, turned, turned + FIRST)
    return np.asarray(turned)


class RepairDetector(Detector[Repairs]):
    """Whether one pixel carries the prediction more than it does in benign images.

    Args:
        observed: whose images are judged.
        name: a key of `REPAIR_SCORES`.
    """

    batch = 1  # about a second an image

    def __init__(self, observed: Observed, name: str = BEST) -> None:
        self._observed = observed
        self.name, (self.title, self.about) = name, REPAIR_SCORES[name]

    def see(self, pixels: NDArray[np.uint8]) -> Repairs:
        """Repair every image pixel by pixel."""
        self._observed.check(pixels)
        return repair(evaluator_for(self._observed.model, self._observed.shape), pixels)

    def score(self, seen: Repairs) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return repair_score(self.name, seen)

    def explain(self, seen: Repairs, alpha: float = 0.05) -> list[Verdict]:
        """See `Detector.explain`."""
        suspects, repaired = seen.suspect.tolist(), seen.repaired.tolist()
        told = [
            {"suspect": (row, col), "repaired": label}
            for (row, col), label in zip(suspects, repaired, strict=True)
        ]
        return self.verdicts(seen, self.score(seen), alpha, told)

    def asks_again(self, verdict: Verdict) -> bool:
        """Whether a suspect was found whose repair alone leaves the label."""
        return verdict.flagged and verdict.repaired == verdict.predicted

    def look_again(self, pixels: NDArray[np.uint8], seen: Repairs) -> SecondRepair | None:
        """What a second repair does to an image uint8 (H, W, C); as slow as the first."""
        evaluator = evaluator_for(self._observed.model, self._observed.shape)
        return second_repair(evaluator, pixels, seen)
