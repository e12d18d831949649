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
    "repair-lost": (
        "repairing each pixel, the probability alone",
        "largest fall of the predicted class's probability when one pixel is repaired",
    ),
}
# Chosen on the dev split before any other was opened; see `scoring.scores.best_detector`.
BEST = "repair-turn"


def repair_score(name: str, repairs: Repairs) -> NDArray[np.float64]:
    """Scores (N,); `name` is a key of `REPAIR_SCORES`."""
    found = repairs.lost if name == "repair-lost" else repairs.drop
    largest = found.reshape(len(found), -1).max(1).astype(np.float64)
    return np.asarray(largest - 0.5 * repairs.log_odds if name == BEST else largest)


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
