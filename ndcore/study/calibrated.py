"""The detector that a study froze, on one image: verdict, suspect pixel and repaired label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.repair import Repairs, repair
from ndcore.detectors.scoring.scores import RepairScore, best_detector
from ndcore.detectors.verdict import Judgement
from ndcore.errors import BadRequestError, BundleError
from ndcore.networks.evaluator import evaluator_for
from ndcore.statistics.conformal import check_alpha
from ndcore.study.saved import SavedStudy, find_study

__all__ = ["FrozenDetector", "RepairVerdict", "load_frozen"]


@dataclass(frozen=True)
class RepairVerdict(Judgement):
    """Whether one pixel carries the prediction more than it does in benign images.

    Attributes:
        suspect: row and column of the pixel whose repair costs the prediction most.
        repaired: class position after that repair.
    """

    suspect: tuple[int, int]
    repaired: int

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """See `Judgement.to_dict`; a repair has no layers and units to tell of."""
        return super().to_dict(classes) | {
            "suspect": {"row": self.suspect[0], "col": self.suspect[1]},
            "repaired": classes[self.repaired],
            "layers": [],
            "units": [],
        }


class FrozenDetector:
    """`best_detector()` with the thresholds of a finished study.

    Args:
        bundle: whose images are judged.
        study: of the same weights, with repairs.

    Raises:
        BundleError: the study has no scores of this detector.
    """

    def __init__(self, bundle: Bundle, study: SavedStudy) -> None:
        self.bundle = bundle
        detector = best_detector()
        if not isinstance(detector, RepairScore) or detector.name not in study.names:
            raise BundleError(f"the study of '{bundle.name}' was made without the repair")
        self.detector = detector
        column = study.names.index(detector.name)
        detector.calibrate(
            study.scores["calibration"][:, column], study.about["calibration"]["predicted"]
        )

    def detect(self, pixels: NDArray[np.uint8], alpha: float = 0.05) -> list[RepairVerdict]:
        """Repair images uint8 (N, H, W, C) pixel by pixel, and judge them.

        Raises:
            BadRequestError: alpha is outside (0, 1), or the images have another shape.
        """
        check_alpha(alpha)
        if pixels.ndim != 4 or pixels.shape[1:] != self.bundle.shape:
            raise BadRequestError(f"images must be (N, {self.bundle.shape}) but are {pixels.shape}")
        evaluator = evaluator_for(self.bundle.model, self.bundle.shape)
        return self.judge(repair(evaluator, pixels), alpha)

    def judge(self, repairs: Repairs, alpha: float = 0.05) -> list[RepairVerdict]:
        """The same on images that were repaired already."""
        check_alpha(alpha)
        scores = self.detector.of(repairs)
        p_values = self.detector.p_of(scores, repairs.predicted)
        suspects, repaired = repairs.suspect.tolist(), repairs.repaired.tolist()
        return [
            RepairVerdict.of(
                self.detector.calibration,
                alpha,
                predicted=label,
                confidence=float(1 / (1 + np.exp(-float(repairs.log_odds[i])))),
                score=float(scores[i]),
                p_value=float(p_values[i]),
                suspect=(suspects[i][0], suspects[i][1]),
                repaired=repaired[i],
            )
            for i, label in enumerate(repairs.predicted.tolist())
        ]


def load_frozen(bundle: Bundle) -> FrozenDetector:
    """The frozen detector with the bundle's own study.

    Raises:
        BundleError: there is no study, it is damaged or of other weights, or it lacks repairs.
    """
    study = find_study(bundle)
    if study is None:
        raise BundleError(
            f"bundle '{bundle.name}' has no study, which the repair takes its thresholds from; "
            f"make one: python -m ndcore study detectors --bundle {bundle.name}"
        )
    return FrozenDetector(bundle, study)
