"""The one interface of detectors: what is seen of an image, its score, and the verdict on it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from ndcore.detectors.calibration import Calibration
from ndcore.detectors.verdict import Verdict
from ndcore.errors import BundleError
from ndcore.statistics.conformal import check_alpha, fpr_band


class _Seen(Protocol):
    """N images as a detector sees them."""

    @property
    def predicted(self) -> NDArray[np.int64]: ...

    @property
    def confidence(self) -> NDArray[np.floating]: ...


Seen = TypeVar("Seen", bound=_Seen)


class Detector(ABC, Generic[Seen]):
    """`fit` on benign images, then `score`, `p_value`, `explain`, `detect`.

    Attributes:
        name: short and unique, for commands and files.
        title: what it goes by, in words for people; about: what exactly it is, one line.
        batch: how many images to see at a time.
        layered: its verdicts have layers and units.
    """

    name: str
    title: str
    about: str
    batch = 64
    layered = False
    _calibration: Calibration | None = None

    @abstractmethod
    def see(self, pixels: NDArray[np.uint8]) -> Seen:
        """Look at images uint8 (N, H, W, C), the slow part; all else follows from what is seen."""

    @abstractmethod
    def score(self, seen: Seen) -> NDArray[np.float64]:
        """Image scores (N,), larger = more suspicious."""

    def fit(self, dev: Seen, calibration: Seen) -> Self:
        """Learn what is usual, each from its own benign images.

        Args:
            dev: to bring layers to one scale.
            calibration: for the p-values; misclassified images included.
        """
        return self.calibrate(self.score(calibration), calibration.predicted)

    def calibrate(self, scores: NDArray[np.floating], predicted: NDArray[np.integer]) -> Self:
        """The last step of `fit`: benign scores (n,) and their predicted classes (n,)."""
        return self.with_calibration(Calibration(scores, np.asarray(predicted, np.int64)))

    def with_calibration(self, calibration: Calibration | None) -> Self:
        """Take what an earlier `fit` has learnt."""
        self._calibration = calibration
        return self

    @property
    def fitted(self) -> bool:
        """Whether it has a calibration and so may be asked for verdicts."""
        return self._calibration is not None

    @property
    def calibration(self) -> Calibration:
        """The benign scores.

        Raises:
            BundleError: not fitted.
        """
        if self._calibration is None:
            raise BundleError(f"detector '{self.name}' has no calibration")
        return self._calibration

    def p_value(self, seen: Seen) -> NDArray[np.float64]:
        """Conformal p-values (N,) among benign images of the same predicted class."""
        return self.p_of(self.score(seen), seen.predicted)

    def p_of(
        self, scores: NDArray[np.floating], predicted: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """The same from scores (N,) and predicted classes (N,)."""
        # Saved scores are float32; the same rounding everywhere keeps ties ties.
        return self.calibration.images.p_values(np.asarray(scores, np.float32), predicted)

    def detect(self, pixels: NDArray[np.uint8], alpha: float = 0.05) -> list[Verdict]:
        """Verdicts on images uint8 (N, H, W, C) at false-positive rate alpha.

        Raises:
            BadRequestError: alpha is outside (0, 1), or the images have another shape.
        """
        check_alpha(alpha)
        return self.explain(self.see(pixels), alpha)

    def explain(self, seen: Seen, alpha: float = 0.05) -> list[Verdict]:
        """Verdicts on images that were seen already."""
        return self.verdicts(seen, self.score(seen), alpha)

    def verdicts(
        self,
        seen: Seen,
        scores: NDArray[np.float64],
        alpha: float,
        evidence: Sequence[Mapping[str, Any]] = (),
    ) -> list[Verdict]:
        """Verdicts from scores (N,); `evidence` of each image goes to the fields of its verdict."""
        check_alpha(alpha)
        known, p_values = self.calibration.images, self.p_of(scores, seen.predicted).tolist()
        confidence, found = seen.confidence, []
        for i, label in enumerate(seen.predicted.tolist()):
            cut, images = known.threshold(label, alpha), len(known.benign(label))
            found.append(
                Verdict(
                    predicted=label,
                    confidence=float(confidence[i]),
                    score=float(scores[i]),
                    p_value=p_values[i],
                    flagged=p_values[i] <= alpha,
                    alpha=alpha,
                    threshold=cut,
                    calibration_images=images,
                    guaranteed=math.isfinite(cut),
                    fpr_band=fpr_band(images, alpha),
                    **(evidence[i] if evidence else {}),
                )
            )
        return found
