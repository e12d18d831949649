"""Leave-one-pixel-out repair: which single pixel carries the prediction, and what it hides.

Every pixel in turn takes the median of its eight neighbours, per channel. Where one pixel was
changed to flip the label, putting that pixel right takes the confidence away and gives the old
label back; in a natural image no single pixel matters so much.

References:
    Ours; nearest are the masks of SMCE (sliding-mask confidence entropy) and the inpainting of
    AEPecker (Zuo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.data.neighbours import median_of_neighbours
from ndcore.networks.evaluator import Evaluator
from ndcore.statistics.log_odds import log_odds
from ndcore.storage.stamped import StampedRows

CONFIRMED = 24  # most suspicious positions that are computed again in float32


@dataclass(frozen=True)
class Repairs(StampedRows):
    """What happened to N images when each pixel was repaired.

    Attributes:
        log_odds: float32 (N,), log-odds ln p / (1 - p) of the predicted class before.
        drop: float32 (N, H, W), how much repairing this pixel lowers these log-odds; negative
            where it raises them.
        label: int16 (N, H, W), predicted class after the repair.
        predicted: int64 (N,), class before.
        exact: bool (N, H, W), whether this position was computed in float32.
    """

    log_odds: NDArray[np.float32]
    drop: NDArray[np.float32]
    label: NDArray[np.int16]
    predicted: NDArray[np.int64]
    exact: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.predicted)

    @property
    def lost(self) -> NDArray[np.float64]:
        """Probability of the predicted class that each repair takes away, (N, H, W)."""
        before = self.log_odds.astype(np.float64)[:, None, None]
        return np.asarray(_probability(before) - _probability(before - self.drop))

    @property
    def suspect(self) -> NDArray[np.int64]:
        """Row and col of the pixel whose repair lowers the log-odds most, (N, 2)."""
        flat = self.drop.reshape(len(self), -1).argmax(1)
        return np.stack(np.divmod(flat, self.drop.shape[2]), 1).astype(np.int64)

    @property
    def repaired(self) -> NDArray[np.int64]:
        """Predicted class after the suspect alone is repaired, (N,)."""
        at = self.suspect
        return self.label[np.arange(len(self)), at[:, 0], at[:, 1]].astype(np.int64)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the predicted class before, (N,)."""
        return np.asarray(_probability(self.log_odds.astype(np.float64)))


def repair(
    evaluator: Evaluator,
    pixels: NDArray[np.uint8],
    *,
    on_image: Callable[[int], None] | None = None,
) -> Repairs:
    """Repair every pixel of every image, one at a time.

    Searched in the evaluator's own precision; the most suspicious positions of each image are
    computed again in float32, as is the image itself.

    Args:
        evaluator: of the model.
        pixels: uint8 (N, H, W, C), at least one image.
        on_image: called with 1 after each image.
    """
    repaired = median_of_neighbours(pixels)
    height, width = pixels.shape[1:3]
    everywhere = np.stack(np.meshgrid(range(height), range(width), indexing="ij"), -1)
    everywhere = everywhere.reshape(-1, 2)
    found = []
    for index, image in enumerate(pixels):
        found.append(_one(evaluator, image, repaired[index], everywhere))
        if on_image:
            on_image(1)
    return Repairs.joined(found)


def _one(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    repaired: NDArray[np.uint8],
    places: NDArray[np.int64],
) -> Repairs:
    height, width = image.shape[:2]
    base = evaluator.plain(image[None])[0]
    predicted = int(base.argmax())
    before = float(log_odds(base[None], predicted)[0])
    drop = np.zeros((height, width), np.float32)
    label = np.full((height, width), predicted, np.int16)
    exact = np.ones((height, width), bool)
    changed = (repaired != image).any(-1)
    places = places[changed[places[:, 0], places[:, 1]]]
    if len(places):
        places = places[evaluator.order(places)]
        # The unchanged image rides along, so that the screen's own error cancels.
        asked = np.concatenate([places, places[:1]])[:, None]
        rows, cols = places.T
        colours = np.concatenate([repaired[rows, cols], image[rows[:1], cols[:1]]])[:, None]
        logits = evaluator.evaluate(image, asked, colours)
        drop[rows, cols] = log_odds(logits[-1:], predicted) - log_odds(logits[:-1], predicted)
        label[rows, cols] = logits[:-1].argmax(1)
        exact[rows, cols] = evaluator.precision == "float32"
        doubtful = _doubtful(drop[rows, cols], label[rows, cols] != predicted)
        if not exact[rows, cols].all():
            rows, cols = rows[doubtful], cols[doubtful]
            again = evaluator.confirm(
                image, places[doubtful][:, None], repaired[rows, cols][:, None]
            )
            drop[rows, cols] = before - log_odds(again, predicted)
            label[rows, cols] = again.argmax(1)
            exact[rows, cols] = True
    return Repairs(
        log_odds=np.array([before], np.float32),
        drop=drop[None],
        label=label[None],
        predicted=np.array([predicted]),
        exact=exact[None],
    )


def _doubtful(drop: NDArray[np.float32], flips: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The largest drops, flips before others."""
    order = np.lexsort((-drop, ~flips))
    largest = np.argsort(-drop, kind="stable")[:CONFIRMED]
    return np.unique(np.concatenate([largest, order[:CONFIRMED]]))


def _probability(log_odds: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
