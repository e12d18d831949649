"""What an attack was asked to do and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError
from ndcore.statistics import wilson

__all__ = [
    "ENGINES",
    "AttackConfig",
    "AttackProgress",
    "AttackResult",
    "PixelChange",
    "apply_changes",
    "changes_between",
    "summarise",
]

ENGINES = {
    "de": "Differential evolution as in Su, Vargas & Sakurai 2019: 400 candidates, "
    "at most 100 generations"
}
MOST_PIXELS = 5


@dataclass(frozen=True)
class AttackConfig:
    """Threat model: black box (probabilities), at most `pixels` pixels of any 8-bit colour.

    Attributes:
        engine: a key of `ENGINES`.
        pixels: L0 budget, 1 to 5.
        target: class to reach, or None to leave the true class.
        max_queries: images sent through the model, at most, per attacked image.
        seed: of the search; each image has its own stream made of this seed and its id.

    Raises:
        BadRequestError: a value is out of range.
    """

    engine: str = "de"
    pixels: int = 1
    target: int | None = None
    max_queries: int = 40_400
    seed: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise BadRequestError(f"unknown engine '{self.engine}': choose {', '.join(ENGINES)}")
        if not 1 <= self.pixels <= MOST_PIXELS:
            raise BadRequestError(f"pixels must be 1 to {MOST_PIXELS}, got {self.pixels}")
        if self.max_queries < 1:
            raise BadRequestError(f"max-queries must be at least 1, got {self.max_queries}")
        if self.seed < 0:
            raise BadRequestError(f"seed must not be negative, got {self.seed}")


@dataclass(frozen=True)
class PixelChange:
    """One pixel before and after; colours are 8-bit values, one per channel."""

    row: int
    col: int
    before: tuple[int, ...]
    after: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """As in the command line's JSON."""
        return {
            "row": self.row,
            "col": self.col,
            "rgb_before": list(self.before),
            "rgb_after": list(self.after),
        }


@dataclass(frozen=True)
class AttackProgress:
    """A look at a running attack.

    Attributes:
        index, images: which image of how many, from 0.
        id: its id.
        generation, generations: steps done and at most.
        queries, max_queries: model calls for this image and at most.
        best_confidence: lowest true-class probability so far, or highest target probability.
        history: (queries, best_confidence) after each generation.
        candidates: int (P, 2) row and col of the current candidates' first pixel.
    """

    index: int
    images: int
    id: str
    generation: int
    generations: int
    queries: int
    max_queries: int
    best_confidence: float
    history: tuple[tuple[int, float], ...]
    candidates: NDArray[np.int64]


@dataclass(frozen=True)
class AttackResult:
    """Outcome for one image.

    Attributes:
        id: image id.
        true: label the attack started from.
        predicted_before, predicted_after: class positions in a plain float32 pass.
        success: the plain float32 pass of the attacked 8-bit image gives another class than
            `true`, or exactly the target where one was set.
        stopped: the user stopped the search.
        skipped: the image was misclassified to begin with and was not attacked.
        pixels: the changed pixels; after a failure those of the nearest miss.
        confidence_before, confidence_after: probability of the class predicted then.
        probabilities_before, probabilities_after: float32 (classes,).
        benign, attacked: uint8 (H, W, C).
        queries: images sent through the model during the search.
        seconds: wall time.
        history: (queries, best confidence) over the search.
        config: what was asked.
    """

    id: str
    true: int
    predicted_before: int
    predicted_after: int
    success: bool
    stopped: bool
    skipped: bool
    pixels: tuple[PixelChange, ...]
    confidence_before: float
    confidence_after: float
    probabilities_before: NDArray[np.float32]
    probabilities_after: NDArray[np.float32]
    benign: NDArray[np.uint8]
    attacked: NDArray[np.uint8]
    queries: int
    seconds: float
    history: tuple[tuple[int, float], ...]
    config: AttackConfig

    @property
    def seed(self) -> int:
        """Seed of the search."""
        return self.config.seed

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As in the command line's JSON, with class names."""
        return {
            "id": self.id,
            "true": classes[self.true],
            "predicted_before": classes[self.predicted_before],
            "predicted_after": classes[self.predicted_after],
            "success": self.success,
            "skipped": self.skipped,
            "stopped": self.stopped,
            "pixels": [change.to_dict() for change in self.pixels],
            "confidence_before": self.confidence_before,
            "confidence_after": self.confidence_after,
            "queries": self.queries,
            "seconds": round(self.seconds, 3),
        }


def apply_changes(pixels: NDArray[np.uint8], changes: Sequence[PixelChange]) -> NDArray[np.uint8]:
    """A copy of pixels (H, W, C) with the changes made.

    Raises:
        BadRequestError: a position is outside the image or a colour has the wrong channels.
    """
    height, width, channels = pixels.shape
    changed = pixels.copy()
    for change in changes:
        if not (0 <= change.row < height and 0 <= change.col < width):
            raise BadRequestError(
                f"pixel ({change.row}, {change.col}) is outside the {height}x{width} image"
            )
        if len(change.after) != channels or not all(0 <= v <= 255 for v in change.after):
            raise BadRequestError(f"a colour has {channels} values from 0 to 255")
        changed[change.row, change.col] = change.after
    return changed


def changes_between(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> tuple[PixelChange, ...]:
    """The pixels that differ between two images (H, W, C), row by row."""
    rows, cols = np.nonzero((before != after).any(-1))
    return tuple(
        PixelChange(
            int(row),
            int(col),
            tuple(int(v) for v in before[row, col]),
            tuple(int(v) for v in after[row, col]),
        )
        for row, col in zip(rows, cols, strict=True)
    )


def summarise(results: Sequence[AttackResult]) -> dict[str, Any]:
    """Success rate over the correctly classified images, with its 95% Wilson interval."""
    attacked = [result for result in results if not result.skipped]
    won = [result for result in attacked if result.success]
    return {
        "attacked": len(attacked),
        "succeeded": len(won),
        "success_rate": len(won) / len(attacked) if attacked else None,
        "ci95": list(wilson(len(won), len(attacked))),
        "queries_median": float(np.median([result.queries for result in won])) if won else None,
        "seconds": round(sum(result.seconds for result in results), 3),
    }
