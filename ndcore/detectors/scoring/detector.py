"""One interface for every score: `fit`, `score`, `p_value`, `explain`; larger = more suspicious.

Scores work on measured features, never on images, so that dozens of them cost one feature pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ndcore.detectors.repair import Repairs
from ndcore.detectors.scoring.aggregate import Tail
from ndcore.detectors.scoring.features import Features
from ndcore.detectors.scoring.reference import Reference
from ndcore.errors import BadRequestError, BundleError
from ndcore.statistics.conformal import ClassCalibration

__all__ = ["KINDS", "Detector", "Layered", "Measured", "Part", "Union"]

KINDS = ("ours", "divergence", "baseline")


@dataclass(frozen=True)
class Measured:
    """N images as detectors see them; `repairs` where the leave-one-pixel-out repair was run."""

    features: Features
    repairs: Repairs | None = None

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: NDArray[np.integer] | NDArray[np.bool_]) -> Measured:
        """The images at `rows` (positions or a mask)."""
        repairs = None if self.repairs is None else self.repairs.take(rows)
        return Measured(self.features.take(rows), repairs)

    @property
    def known_repairs(self) -> Repairs:
        """The repairs.

        Raises:
            BadRequestError: they were not made.
        """
        if self.repairs is None:
            raise BadRequestError("this score needs the leave-one-pixel-out repair of the images")
        return self.repairs


@dataclass(frozen=True)
class Part:
    """A layer's or a member's share of an image's score; all shares sum to the score."""

    name: str
    value: float


class Detector(ABC):
    """A score with its benign calibration.

    Attributes:
        name: short and unique; about: one line for people; kind: one of `KINDS`.
        needs_repair: the score reads `Measured.repairs`.
    """

    name: str
    about: str
    kind: str
    needs_repair = False

    def fit(self, reference: Reference, dev: Measured, calibration: Measured) -> Self:
        """Learn what is usual, each from its own benign images.

        Args:
            reference: statistics of the images the model was trained on.
            dev: to bring layers to one scale.
            calibration: for the p-values; misclassified images included.
        """
        self.prepare(reference, dev)
        return self.calibrate(self.score(calibration), calibration.features.predicted)

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        """The first half of `fit`: all that `score` needs."""
        return self

    def calibrate(self, scores: NDArray[np.floating], predicted: NDArray[np.integer]) -> Self:
        """The second half of `fit`: benign scores (n,) and their predicted classes (n,)."""
        self._calibration = ClassCalibration(_rounded(scores), predicted)
        return self

    @property
    def calibration(self) -> ClassCalibration:
        """The benign scores.

        Raises:
            BundleError: not calibrated.
        """
        if not hasattr(self, "_calibration"):
            raise BundleError(f"detector '{self.name}' has no calibration")
        return self._calibration

    @abstractmethod
    def score(self, measured: Measured) -> NDArray[np.float64]:
        """Scores (N,)."""

    def explain(self, measured: Measured) -> list[tuple[Part, ...]]:
        """Per image the parts that its score is the sum of."""
        return [(Part(self.name, float(score)),) for score in self.score(measured)]

    def p_value(self, measured: Measured) -> NDArray[np.float64]:
        """Conformal p-values (N,) among benign images of the same predicted class."""
        return self.p_of(self.score(measured), measured.features.predicted)

    def p_of(
        self, scores: NDArray[np.floating], predicted: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """The same from scores (N,) and predicted classes (N,)."""
        return self.calibration.p_values(_rounded(scores), predicted)


def _rounded(scores: NDArray[np.floating]) -> NDArray[np.float32]:
    # Saved scores are float32; the same rounding everywhere keeps ties ties.
    return np.asarray(scores, np.float32)


class Layered(Detector):
    """Several scores brought to one scale by their rank among benign dev images, then averaged."""

    parts: Sequence[str]

    @abstractmethod
    def raw(self, measured: Measured) -> NDArray[np.floating]:
        """Scores of the parts, (N, parts)."""

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        """See `Detector.prepare`."""
        super().prepare(reference, dev)
        self._tails = [Tail(column) for column in self.raw(dev).T]
        return self

    def shares(self, measured: Measured) -> NDArray[np.float64]:
        """-ln of each part's benign tail share, over the number of parts: (N, parts)."""
        raw = self.raw(measured)
        found = [tail(column) for tail, column in zip(self._tails, raw.T, strict=True)]
        return np.stack(found, 1) / len(found)

    def score(self, measured: Measured) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return np.asarray(self.shares(measured).sum(1), np.float64)

    def explain(self, measured: Measured) -> list[tuple[Part, ...]]:
        """See `Detector.explain`."""
        return [
            tuple(Part(name, float(value)) for name, value in zip(self.parts, row, strict=True))
            for row in self.shares(measured)
        ]


class Union(Layered):
    """The most alarming of several detectors, each on the scale of its benign dev images.

    Args:
        name, about, kind: as in `Detector`.
        members: fitted by this detector's own `fit`.
    """

    def __init__(self, name: str, about: str, kind: str, members: Sequence[Detector]) -> None:
        self.name, self.about, self.kind = name, about, kind
        self.members = members
        self.parts = [member.name for member in members]
        self.needs_repair = any(member.needs_repair for member in members)

    def prepare(self, reference: Reference, dev: Measured) -> Self:
        """See `Detector.prepare`."""
        for member in self.members:
            member.prepare(reference, dev)
        return super().prepare(reference, dev)

    def raw(self, measured: Measured) -> NDArray[np.floating]:
        """See `Layered.raw`."""
        return np.stack([member.score(measured) for member in self.members], 1)

    def shares(self, measured: Measured) -> NDArray[np.float64]:
        """The largest member's -ln of its benign tail share in its own column, 0 elsewhere."""
        found = super().shares(measured) * len(self.members)
        winner = found.argmax(1)[:, None]
        return np.where(np.arange(len(self.members)) == winner, found, 0.0)
