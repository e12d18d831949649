"""The verdict on one image, with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ndcore.detectors.regime import regime_of
from ndcore.detectors.second_repair import SecondRepair


@dataclass(frozen=True)
class LayerScore:
    """One layer of a verdict.

    Attributes:
        layer: name.
        score: of this layer alone; p_value: its conformal p-value among benign images of the
            predicted class.
        contribution: its part in the image's score; all layers' contributions sum to it.
    """

    layer: str
    score: float
    p_value: float
    contribution: float


@dataclass(frozen=True)
class UnitEvidence:
    """One unit's part in the score.

    Attributes:
        layer, unit, reduction: which value.
        activation: the image's value; class_median: that of the predicted class.
        p_value: two-sided tail probability under the predicted class.
        contribution: share of the image's score; all units' contributions sum to it.
    """

    layer: str
    unit: int
    reduction: str
    activation: float
    class_median: float
    p_value: float
    contribution: float


@dataclass(frozen=True)
class Verdict:
    """One image's score among benign images of its predicted class, and whether it is an alarm.

    Attributes:
        predicted: class position; confidence: its probability.
        score: larger = more suspicious; threshold: alarms lie above it.
        p_value: conformal, among benign images of the predicted class.
        flagged: p_value <= alpha.
        calibration_images: how many benign images of that class the p-value rests on.
        guaranteed: there are enough of them for this alpha; without, nothing is ever flagged.
        fpr_band: 95% band of the realised false-positive rate.
        layers: in the order of the model; none where the detector looks at no layers.
        units: the strongest evidence first; none where it looks at no units.
        typicality: share of the class's images with a smaller logit of the class; None where the
            last observed layer is not the logits. See `ndcore.detectors.regime`.
        suspect: row and column of the pixel whose repair costs the prediction most, and
        repaired: class position after that repair; None where nothing was repaired.
        second: what a second repair does, where the image is flagged and the first alone leaves
            its label; None where that was not asked.
    """

    predicted: int
    confidence: float
    score: float
    p_value: float
    flagged: bool
    alpha: float
    threshold: float
    calibration_images: int
    guaranteed: bool
    fpr_band: tuple[float, float]
    layers: tuple[LayerScore, ...] = ()
    units: tuple[UnitEvidence, ...] = ()
    typicality: float | None = None
    suspect: tuple[int, int] | None = None
    repaired: int | None = None
    second: SecondRepair | None = None

    @property
    def regime(self) -> str | None:
        """One of `ndcore.detectors.regime.REGIMES`, or None where it cannot be told."""
        return None if self.typicality is None else regime_of(self.typicality)

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As in the command line's JSON; what the detector does not look at is left out."""
        found: dict[str, Any] = {
            "predicted": classes[self.predicted],
            "confidence": self.confidence,
            "score": self.score,
            "p_value": self.p_value,
            "flagged": self.flagged,
            "alpha": self.alpha,
            "threshold": self.threshold if self.guaranteed else None,
            "calibration_images": self.calibration_images,
            "guaranteed": self.guaranteed,
            "fpr_band": list(self.fpr_band),
        }
        if self.suspect is not None and self.repaired is not None:
            row, col = self.suspect
            found |= {"suspect": {"row": row, "col": col}, "repaired": classes[self.repaired]}
        if self.second is not None:
            found["second"] = self.second.to_dict(classes)
        found |= {
            "layers": [vars(layer) for layer in self.layers],
            "units": [vars(unit) for unit in self.units],
        }
        if self.layers:
            found |= {"typicality": self.typicality, "regime": self.regime}
        return found
