"""Leave-one-pixel-out repair: which single pixel carries the prediction, and what it hides.

Every pixel in turn takes the median of its eight neighbours, per channel. Where one pixel was
changed to flip the label, putting that pixel right takes the confidence away and gives the old
label back; in a natural image no single pixel matters so much. Where two pixels were changed and
either flips alone, a single repair leaves the other at work, so pairs of suspects are repaired too.

References:
    Ours; nearest are the masks of SMCE (sliding-mask confidence entropy) and the inpainting of
    AEPecker (Zuo et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.data.neighbours import median_of_neighbours
from ndcore.networks.evaluator import Evaluator
from ndcore.statistics.log_odds import log_odds
from ndcore.storage.stamped import StampedRows

CONFIRMED = 24  # most suspicious positions that are computed again in float32
DECISIVE, ODD = 8, 4  # suspects whose pairs are repaired: by their drop, and by their colour
PAIRS_CONFIRMED = 6


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
        pair: int16 (N, 2, 2), row and col of the two suspects whose repair lowers the log-odds
            most; -1 where the image has no two pixels to repair.
        pair_drop: float32 (N,), how much that is; -inf without a pair.
        pair_flips: bool (N,), whether the repair of some pair of suspects has another class.
    """

    log_odds: NDArray[np.float32]
    drop: NDArray[np.float32]
    label: NDArray[np.int16]
    predicted: NDArray[np.int64]
    exact: NDArray[np.bool_]
    pair: NDArray[np.int16]
    pair_drop: NDArray[np.float32]
    pair_flips: NDArray[np.bool_]

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
    def flips(self) -> NDArray[np.bool_]:
        """Whether the repair of some pixel has another class, (N,)."""
        return np.asarray((self.label != self.predicted[:, None, None]).any((1, 2)))

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
    alone = repairs_of(predicted, before, drop, label, exact)
    return _with_pairs(evaluator, image, repaired, alone)


def repair_at(
    evaluator: Evaluator, image: NDArray[np.uint8], positions: NDArray[np.int64]
) -> Repairs:
    """The repairs of these positions (k, 2) alone, in float32, and of their first pair.

    Every other pixel counts as one whose repair keeps everything, so no score of a repair is
    larger than with all of them, which takes a hundred times as long.
    """
    repaired = median_of_neighbours(image[None])[0]
    base = evaluator.plain(image[None])
    predicted = int(base.argmax())
    before = float(log_odds(base, predicted)[0])
    drop = np.full(image.shape[:2], -np.inf, np.float32)
    label = np.full(image.shape[:2], predicted, np.int16)
    rows, cols = positions.T
    logits = evaluator.confirm(image, positions[:, None], repaired[rows, cols][:, None])
    drop[rows, cols] = before - log_odds(logits, predicted)
    label[rows, cols] = logits.argmax(1)
    alone = repairs_of(predicted, before, drop, label, np.isfinite(drop))
    if len(positions) < 2:
        return alone
    pair = positions[None, :2]
    return replace(alone, **_pair_fields(evaluator, image, repaired, alone, pair))


def repairs_of(
    predicted: int,
    before: float,
    drop: NDArray[np.float32],
    label: NDArray[np.int16],
    exact: NDArray[np.bool_],
) -> Repairs:
    """Repairs of one image from its maps (H, W), as yet without pairs."""
    return Repairs(
        log_odds=np.array([before], np.float32),
        drop=drop[None],
        label=label[None],
        predicted=np.array([predicted]),
        exact=exact[None],
        pair=np.full((1, 2, 2), -1, np.int16),
        pair_drop=np.full(1, -np.inf, np.float32),
        pair_flips=np.zeros(1, np.bool_),
    )


def with_pairs(evaluator: Evaluator, image: NDArray[np.uint8], alone: Repairs) -> Repairs:
    """The repairs of one image uint8 (H, W, C), with those of its pairs of suspects."""
    return _with_pairs(evaluator, image, median_of_neighbours(image[None])[0], alone)


def _with_pairs(
    evaluator: Evaluator, image: NDArray[np.uint8], repaired: NDArray[np.uint8], alone: Repairs
) -> Repairs:
    suspects = _suspects(alone.drop[0], np.abs(repaired.astype(int) - image).max(-1))
    if len(suspects) < 2:
        return alone
    first, second = np.triu_indices(len(suspects), 1)
    pairs = np.stack([suspects[first], suspects[second]], 1)
    return replace(alone, **_pair_fields(evaluator, image, repaired, alone, pairs))


def _pair_fields(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    repaired: NDArray[np.uint8],
    alone: Repairs,
    pairs: NDArray[np.int64],
) -> dict[str, NDArray[Any]]:
    """`pair`, `pair_drop` and `pair_flips` of one image, of these pairs (P, 2, 2) of positions."""
    predicted, before = int(alone.predicted[0]), float(alone.log_odds[0])
    colours = repaired[pairs[..., 0], pairs[..., 1]]
    logits = evaluator.evaluate(image, pairs, colours)
    order = np.argsort(log_odds(logits, predicted), kind="stable")[:PAIRS_CONFIRMED]
    if evaluator.precision != "float32":
        logits[order] = evaluator.confirm(image, pairs[order], colours[order])
    drops = before - log_odds(logits[order], predicted)
    most = int(drops.argmax())
    return {
        "pair": pairs[order[most]][None].astype(np.int16),
        "pair_drop": drops[most : most + 1].astype(np.float32),
        "pair_flips": np.array([(logits[order].argmax(1) != predicted).any()]),
    }


def _suspects(drop: NDArray[np.float32], gap: NDArray[np.integer]) -> NDArray[np.int64]:
    """Positions (S, 2) whose repair costs most, and those that stand out most by their colour."""
    decisive = np.argsort(-drop.ravel(), kind="stable")[:DECISIVE]
    odd = np.argsort(-gap.ravel(), kind="stable")
    odd = odd[~np.isin(odd, decisive)][:ODD]
    found = np.concatenate([decisive, odd])
    found = found[gap.ravel()[found] > 0]
    return np.stack(np.divmod(found, drop.shape[1]), 1)


def _doubtful(drop: NDArray[np.float32], flips: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The largest drops, flips before others."""
    order = np.lexsort((-drop, ~flips))
    largest = np.argsort(-drop, kind="stable")[:CONFIRMED]
    return np.unique(np.concatenate([largest, order[:CONFIRMED]]))


def _probability(log_odds: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(1 / (1 + np.exp(-log_odds)))
