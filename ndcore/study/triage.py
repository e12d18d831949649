"""Triage: many images as one detector judged them, the most suspicious first."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.layerwise import DETECTORS, DivergenceDetector, load_detector
from ndcore.detectors.scoring.scores import best_detector
from ndcore.errors import BadRequestError, StoppedError
from ndcore.statistics.conformal import ClassCalibration, rank
from ndcore.steps import ShouldStop, is_stopped
from ndcore.study.calibrated import FrozenDetector
from ndcore.study.incoming import UNKNOWN, Images
from ndcore.study.saved import SavedStudy

__all__ = ["Judged", "detectors_here", "judge_images", "judge_study"]

BATCH = 64


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
    column = study.names.index(detector)
    calibration = ClassCalibration(
        study.scores["calibration"][:, column], study.about["calibration"]["predicted"]
    )
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
    bundle: Bundle,
    detector: str,
    images: Images,
    study: SavedStudy | None = None,
    *,
    on_part: Callable[[Judged], None] | None = None,
    should_stop: ShouldStop = None,
) -> Judged:
    """Judge images now; those judged before a stop are returned.

    Args:
        bundle: whose model looks at them.
        detector: one of `detectors_here(bundle, study)`.
        images: at least one.
        study: with the calibration of the repair.
        on_part: called with the images judged since the last call.
        should_stop: asked now and then.

    Raises:
        BadRequestError: no image, or no such detector.
        StoppedError: stopped before the first image was judged.
    """
    known = detectors_here(bundle, study)
    if detector not in known:
        raise BadRequestError(f"unknown detector '{detector}': choose {', '.join(known)}")
    if not len(images):
        raise BadRequestError("there is no image to judge")
    judge: Callable[[Images], Judged]
    if study is not None and detector == best_detector().name:
        judge, batch = partial(_by_repair, FrozenDetector(bundle, study)), 1
    else:
        judge, batch = partial(_by_divergence, load_detector(bundle, detector)), BATCH
    parts = []
    for start in range(0, len(images), batch):
        if is_stopped(should_stop):
            break
        parts.append(judge(images.take(slice(start, start + batch))))
        if on_part:
            on_part(parts[-1])
    if not parts:
        raise StoppedError("stopped before an image was judged")
    return Judged.joined(parts)


def detectors_here(bundle: Bundle, study: SavedStudy | None) -> dict[str, str]:
    """Name -> what it is, of the detectors that can judge any image of this bundle."""
    best = best_detector()
    found = {best.name: best.about} if study is not None and best.name in study.names else {}
    return found | {name: about for name, about in DETECTORS.items() if name in bundle.calibrations}


def _by_divergence(detector: DivergenceDetector, images: Images) -> Judged:
    reading = detector.bundle.read(images.pixels)
    predicted = reading.predicted
    return Judged(
        ids=images.ids,
        sets=images.sets,
        attacked=images.attacked,
        labels=images.labels,
        predicted=predicted,
        confidence=reading.probabilities.max(1).astype(np.float64),
        scores=detector.score(reading),
        p=detector.p_value(reading),
        calibration=detector.calibration.images.numbers(predicted),
    )


def _by_repair(detector: FrozenDetector, images: Images) -> Judged:
    verdicts = detector.detect(images.pixels)
    return Judged(
        ids=images.ids,
        sets=images.sets,
        attacked=images.attacked,
        labels=images.labels,
        predicted=np.array([verdict.predicted for verdict in verdicts], np.int64),
        confidence=np.array([verdict.confidence for verdict in verdicts]),
        scores=np.array([verdict.score for verdict in verdicts]),
        p=np.array([verdict.p_value for verdict in verdicts]),
        calibration=np.array([verdict.calibration_images for verdict in verdicts], np.int64),
    )
