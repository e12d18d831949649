"""Triage: many images as one detector judged them, the most suspicious first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.data.batch import UNKNOWN
from ndcore.detectors.detector import Detector
from ndcore.errors import BadRequestError, StoppedError
from ndcore.networks.stoppable import until_stopped
from ndcore.statistics.conformal import rank
from ndcore.steps import ShouldStop, in_parts
from ndcore.study.incoming import Images
from ndcore.study.saved import SavedStudy


@dataclass(frozen=True)
class Judged:
    """N images and what one detector says of them.

    Attributes:
        ids: for people and for look-up.
        sets: what each belongs to, such as `benign` or a kind of attack.
        attacked: int8 (N,): 1 attacked, 0 benign, `UNKNOWN`.
        labels: int64 (N,), true classes or `UNKNOWN`.
        predicted: int64 (N,); confidence: float64 (N,), probability of that class.
        scores, p: float64 (N,), conformal p-values among benign images of the predicted class.
        calibration: int64 (N,), number of those benign images.
    """

    ids: tuple[str, ...]
    sets: tuple[str, ...]
    attacked: NDArray[np.int8]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    scores: NDArray[np.float64]
    p: NDArray[np.float64]
    calibration: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def order(self) -> NDArray[np.int64]:
        """Positions from the smallest p-value on; of equal ones the higher score first."""
        return np.asarray(np.lexsort((-self.scores, self.p)), np.int64)

    def decided(self, alpha: float) -> NDArray[np.bool_]:
        """Whether the calibration images are enough for an alarm at `alpha`, (N,)."""
        return np.array([rank(int(n), alpha) >= 1 for n in self.calibration], bool)

    def flagged(self, alpha: float) -> NDArray[np.bool_]:
        """Alarms at a false-positive rate of `alpha`, (N,)."""
        return self.p <= alpha

    def false_positives(self, alpha: float) -> NDArray[np.int64]:
        """Positions of flagged benign images, the most suspicious first."""
        return self._ranked(self.flagged(alpha) & (self.attacked == 0))

    def false_negatives(self, alpha: float) -> NDArray[np.int64]:
        """Positions of attacked images that are not flagged, the least suspicious first."""
        return self._ranked(~self.flagged(alpha) & (self.attacked == 1))[::-1]

    def _ranked(self, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        order = self.order
        return order[kept[order]]

    def outcomes(self, alpha: float) -> list[str]:
        """In two words each: caught, missed, false alarm, let pass, flagged, not flagged."""
        words = {
            (1, True): "caught",
            (1, False): "missed",
            (0, True): "false alarm",
            (0, False): "let pass",
            (UNKNOWN, True): "flagged",
            (UNKNOWN, False): "not flagged",
        }
        return [
            words[int(kind), bool(alarm)] if decided else "undecided"
            for kind, alarm, decided in zip(
                self.attacked, self.flagged(alpha), self.decided(alpha), strict=True
            )
        ]

    def counts(self, alpha: float) -> dict[str, int]:
        """Numbers of images by name; `wrong` are benign ones that the model gets wrong."""
        flagged, benign, attacked = self.flagged(alpha), self.attacked == 0, self.attacked == 1
        wrong = benign & (self.labels != UNKNOWN) & (self.labels != self.predicted)
        found = {
            "images": np.ones(len(self), bool),
            "flagged": flagged,
            "undecided": ~self.decided(alpha),
            "benign": benign,
            "false_alarms": benign & flagged,
            "attacked": attacked,
            "missed": attacked & ~flagged,
            "wrong": wrong,
            "wrong_flagged": wrong & flagged,
        }
        return {name: int(rows.sum()) for name, rows in found.items()}

    def rows(self, classes: Sequence[str], alpha: float) -> list[dict[str, Any]]:
        """One dictionary an image, the most suspicious first; the true class may be ""."""
        outcomes, flagged = self.outcomes(alpha), self.flagged(alpha)
        return [
            {
                "rank": at,
                "image": self.ids[i],
                "kind": self.sets[i],
                "p": float(self.p[i]),
                "flagged": bool(flagged[i]),
                "outcome": outcomes[i],
                "predicted": classes[self.predicted[i]],
                "confidence": float(self.confidence[i]),
                "true": "" if self.labels[i] == UNKNOWN else classes[self.labels[i]],
                "score": float(self.scores[i]),
                "calibration images": int(self.calibration[i]),
            }
            for at, i in enumerate(self.order.tolist(), 1)
        ]

    @classmethod
    def joined(cls, parts: Sequence[Judged]) -> Judged:
        """One after another; at least one."""
        found: dict[str, Any] = {}
        for field in fields(cls):
            each = [getattr(part, field.name) for part in parts]
            found[field.name] = (
                sum(each, ()) if isinstance(each[0], tuple) else np.concatenate(each)
            )
        return cls(**found)


def judge_study(study: SavedStudy, detector: str, attacks: Sequence[str]) -> Judged:
    """The evaluation images of a study and attacks made from them, from saved scores.

    Args:
        study: with scores.
        detector: one of `study.names`.
        attacks: names of sets; may be empty.

    Raises:
        BadRequestError: there is no such detector or set.
    """
    if detector not in study.names:
        raise BadRequestError(f"unknown detector '{detector}': choose {', '.join(study.names)}")
    column, calibration = study.names.index(detector), study.calibrations[detector].images
    parts = []
    for name in ("evaluation", *attacks):
        if name not in study.scores:
            raise BadRequestError(f"the study has no set '{name}'")
        about, scores = study.about[name], study.scores[name][:, column]
        kind = "benign" if name == "evaluation" else name
        parts.append(
            Judged(
                ids=tuple(str(key) for key in about["keys"]),
                sets=(kind,) * len(scores),
                attacked=np.full(len(scores), name != "evaluation", np.int8),
                labels=about["labels"].astype(np.int64),
                predicted=about["predicted"].astype(np.int64),
                confidence=about["confidence"].astype(np.float64),
                scores=scores.astype(np.float64),
                p=calibration.p_values(scores, about["predicted"]),
                calibration=calibration.numbers(about["predicted"]),
            )
        )
    return Judged.joined(parts)


def judge_images(
    detector: Detector[Any],
    images: Images,
    *,
    on_part: Callable[[Judged], None] | None = None,
    should_stop: ShouldStop = None,
) -> Judged:
    """Judge images now; those judged before a stop are returned.

    Args:
        detector: calibrated.
        images: at least one.
        on_part: called with the images judged since the last call.
        should_stop: asked before every function of torch.

    Raises:
        BadRequestError: no image.
        StoppedError: stopped before the first image was judged.
    """
    if not len(images):
        raise BadRequestError("there is no image to judge")
    parts: list[Judged] = []
    with until_stopped(should_stop):
        for part in in_parts(len(images), detector.batch):
            parts.append(_judged(detector, images.take(part)))
            if on_part:
                on_part(parts[-1])
    if not parts:
        raise StoppedError("stopped before an image was judged")
    return Judged.joined(parts)


def _judged(detector: Detector[Any], images: Images) -> Judged:
    seen = detector.see(images.pixels)
    scores = detector.score(seen)
    return Judged(
        ids=images.ids,
        sets=images.sets,
        attacked=images.attacked,
        labels=images.labels,
        predicted=seen.predicted,
        confidence=seen.confidence.astype(np.float64),
        scores=scores,
        p=detector.p_of(scores, seen.predicted),
        calibration=detector.calibration.images.numbers(seen.predicted),
    )
