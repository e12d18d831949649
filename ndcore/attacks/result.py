"""What an attack was asked to do and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.config import AttackConfig
from ndcore.attacks.grid_map import VulnerabilityMap
from ndcore.data.pixels import PixelChange, changes_between
from ndcore.statistics.intervals import Rate

MOST_LISTED = 5


@dataclass(frozen=True)
class AttackProgress:
    """A look at a running attack on many images, through one image that is being searched.

    Attributes:
        images: how many in all.
        done, succeeded: how many are finished, and of these broken.
        total_queries: model calls so far, all images.
        index, id: which image is shown, from 0, and its name.
        stage: what its search is doing, for people: `generation 3 of at most 100`.
        queries, max_queries: model calls for it and at most.
        best_confidence: its lowest true-class probability so far, or highest target probability.
        history: (queries, best_confidence) over its search.
        candidates: int (P, 2) row and col of the candidates last tried (first pixel of each).
        lowest: float32 (H, W) lowest true-class probability at each pixel so far, NaN where no
            colour was tried; None unless the engine fills a map.
        active: (index, share of its budget that is paid) of the images searched side by side.
    """

    images: int
    done: int
    succeeded: int
    total_queries: int
    index: int
    id: str
    stage: str
    queries: int
    max_queries: int
    best_confidence: float
    history: tuple[tuple[int, float], ...]
    candidates: NDArray[np.int64]
    lowest: NDArray[np.float32] | None = None
    active: tuple[tuple[int, float], ...] = ()


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
        pixels: the changed pixels; after a failure those of the nearest miss, which with a target
            is what raised its probability most; none where nothing tried came nearer.
        confidence_before, confidence_after: probability of the class predicted then.
        probabilities_before, probabilities_after: float32 (classes,).
        benign, attacked: uint8 (H, W, C).
        queries: candidates sent through the model during the search; repeats count.
        first_hit: how many of these until the first that fooled the model; None for a failure.
        forwards: candidates really computed; the rest were remembered.
        found_by: engine that found the change; it differs from `config.engine` after a fallback.
        precision: of the search, "float32" or "bfloat16"; successes are confirmed in float32.
        seconds: wall time from the image's start to its end; images share the pool meanwhile.
        history: (queries, best confidence) over the search.
        config: what was asked.
        map: every point of the grid, for the engine `exhaustive`.
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
    first_hit: int | None
    forwards: int
    found_by: str
    precision: str
    seconds: float
    history: tuple[tuple[int, float], ...]
    config: AttackConfig
    map: VulnerabilityMap | None = None

    @classmethod
    def of(
        cls,
        benign: NDArray[np.uint8],
        attacked: NDArray[np.uint8],
        before: NDArray[np.float32],
        after: NDArray[np.float32],
        **told: Any,
    ) -> AttackResult:
        """What two images and their probabilities (classes,) say by themselves, and the rest."""
        return cls(
            predicted_before=int(before.argmax()),
            predicted_after=int(after.argmax()),
            pixels=changes_between(benign, attacked),
            confidence_before=float(before.max()),
            confidence_after=float(after.max()),
            probabilities_before=before,
            probabilities_after=after,
            benign=benign,
            attacked=attacked,
            **told,
        )

    @property
    def outcome(self) -> str:
        """`broken`, `not broken`, `stopped`, `never tried` or `skipped`."""
        if self.skipped:
            return "skipped"
        if self.success:
            return "broken"
        if not self.stopped:
            return "not broken"
        return "stopped" if self.queries else "never tried"

    @property
    def tried(self) -> bool:
        """Whether its outcome counts in a success rate."""
        return self.outcome not in ("skipped", "never tried")

    @property
    def seed(self) -> int:
        """Seed of the search."""
        return self.config.seed

    @property
    def distances(self) -> dict[str, float]:
        """`l0` changed pixels, `l2` and `linf` of the change with values in [0, 1]."""
        change = (self.attacked.astype(np.float64) - self.benign) / 255
        return {
            "l0": int(change.any(-1).sum()),
            "l2": float(np.sqrt((change**2).sum())),
            "linf": float(np.abs(change).max()),
        }

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As in the command line's JSON, with class names; `targets` only with a map, `target` and
        its confidences only where one was set.

        Changes of more than `MOST_LISTED` pixels are not listed one by one.
        """
        row = {
            "id": self.id,
            "true": classes[self.true],
            "predicted_before": classes[self.predicted_before],
            "predicted_after": classes[self.predicted_after],
            "success": self.success,
            "skipped": self.skipped,
            "stopped": self.stopped,
            "pixels": [change.to_dict() for change in self.pixels]
            if len(self.pixels) <= MOST_LISTED
            else [],
            "distances": {name: round(value, 6) for name, value in self.distances.items()},
            "confidence_before": self.confidence_before,
            "confidence_after": self.confidence_after,
            "queries": self.queries,
            "first_hit": self.first_hit,
            "forwards": self.forwards,
            "found_by": self.found_by,
            "precision": self.precision,
            "seconds": round(self.seconds, 3),
        }
        if self.config.target is not None:
            row["target"] = classes[self.config.target]
            row["target_confidence_before"] = float(self.probabilities_before[self.config.target])
            row["target_confidence_after"] = float(self.probabilities_after[self.config.target])
        if self.map is not None:
            row["vulnerable_share"] = self.map.vulnerable_share
            row["complete"] = self.map.complete
            row["targets"] = [
                {
                    "class": classes[reach.label],
                    "reached": reach.reached,
                    "row": reach.row,
                    "col": reach.col,
                    "rgb": list(reach.colour),
                    "margin": round(reach.margin, 4),
                }
                for reach in self.map.reach()
            ]
        return row


def summarise(results: Sequence[AttackResult]) -> dict[str, Any]:
    """Success rate over the images that were tried, with its 95% Wilson interval.

    Tried are those that the model gets right, except where a stop came before the first query.
    """
    attacked = [result for result in results if result.tried]
    won = [result for result in attacked if result.success]
    rate = Rate(len(won), len(attacked)).to_dict()
    return {
        "attacked": rate["n"],
        "succeeded": len(won),
        "success_rate": rate["rate"],
        "ci95": rate["ci95"],
        "queries_median": float(np.median([result.queries for result in won])) if won else None,
        "queries_mean": float(np.mean([result.queries for result in won])) if won else None,
        "queries_total": sum(result.queries for result in results),
        "seconds": round(sum(result.seconds for result in results), 3),
    }
