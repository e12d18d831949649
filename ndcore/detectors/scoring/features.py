"""The feature pass: everything that scores need of an image, computed once, in batches, and kept.

A few thousand numbers an image stand for millions of activations: unit scores are aggregated over
the units of a layer, position maps over the positions, and that against every class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor

from ndcore.activations.capture import capture
from ndcore.activations.divergence import top_mean
from ndcore.activations.observed import Observed
from ndcore.data.neighbours import pixel_outlier, squeezed
from ndcore.detectors.scoring.aggregate import fisher, higher_criticism
from ndcore.detectors.scoring.class_tables import ClassTables, table_bytes
from ndcore.detectors.scoring.reference import Reference
from ndcore.detectors.scoring.spatial import SPATIAL, against_class, position_map, summary
from ndcore.errors import BadRequestError, BundleError
from ndcore.networks.forward import forward, most_images
from ndcore.networks.stoppable import ask
from ndcore.steps import in_parts
from ndcore.storage.stamped import StampedRows

TABLE_BYTES = 4 * 2**30
AGGREGATES = ("mean", "top")  # over a layer's units; "top" is the mean of the largest 5%


@dataclass(frozen=True)
class Features(StampedRows):
    """What was measured on N images. L layers, of which M conv layers; C classes.

    Attributes:
        logits: float32 (N, C).
        penultimate: float32 (N, D).
        w1, surprisal: float32 (N, L, 2, C), mean and top 5% over units, against every class.
        tail: float32 (N, L, 2), Fisher and higher criticism of the tail p-values.
        newly: float32 (N, L), share of units that fire though they never do for the class.
        spatial: float32 (N, M, 3, 2), `w1`, `kl`, `js` of the positions, mean and top 5%.
        position: float32 (N, M, 3), largest, top 10% and largest spot of the position map.
        position_at: int64 (N, M, 2), row and col in the image of that spot.
        outlier: float32 (N,), outlier_at: int64 (N, 2): the oddest pixel.
        squeezed: float32 (N, C), logits after a 3x3 median filter.

    All but w1 and surprisal are against the predicted class.
    """

    logits: NDArray[np.float32]
    penultimate: NDArray[np.float32]
    w1: NDArray[np.float32]
    surprisal: NDArray[np.float32]
    tail: NDArray[np.float32]
    newly: NDArray[np.float32]
    spatial: NDArray[np.float32]
    position: NDArray[np.float32]
    position_at: NDArray[np.int64]
    outlier: NDArray[np.float32]
    outlier_at: NDArray[np.int64]
    squeezed: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.logits)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Softmax of the logits, (N, C)."""
        return np.asarray(softmax(self.logits.astype(np.float64), axis=1))

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the predicted class, (N,)."""
        return np.asarray(self.probabilities.max(1))

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable class, (N,)."""
        return np.asarray(self.logits.argmax(1), np.int64)


class FeaturePass:
    """Measures images.

    Conv units enter the unit scores with their largest value: a mean over space hides one pixel.

    Args:
        observed: model and class distributions.
        reference: of the same weights; None to leave the positions out.
        layers: to measure; None for all.

    Raises:
        BundleError: the reference belongs to other weights.
        BadRequestError: there are too many classes for so many units.
    """

    def __init__(
        self,
        observed: Observed,
        reference: Reference | None = None,
        layers: tuple[str, ...] | None = None,
    ) -> None:
        if reference is not None and reference.weight_hash != observed.weight_hash:
            raise BundleError("the reference statistics belong to other weights than the bundle")
        self.layers = observed.layers if layers is None else layers
        self._observed = observed
        self._spatial = {} if reference is None else reference.spatial
        self.conv = tuple(self._spatial)
        self._tables: dict[str, ClassTables] = {}
        found = [observed.usual(layer) for layer in self.layers]
        needed = sum(table_bytes(histograms) for histograms in found)
        if needed > TABLE_BYTES:
            raise BadRequestError(
                f"tables of {sum(each.units for each in found):,} neurons against "
                f"{found[0].classes:,} classes take {needed / 2**30:.0f} GiB: build the bundle "
                "with fewer layers (--layers)"
            )
        for layer in self.layers:
            ask()
            self._tables[layer] = ClassTables(observed.usual(layer))
        self.units = [self._tables[layer].units for layer in self.layers]

    def read(
        self, pixels: NDArray[np.uint8], *, on_batch: Callable[[int], None] | None = None
    ) -> Features:
        """Measure images uint8 (N, H, W, C), at least one."""
        parts = []
        for part in in_parts(len(pixels), most_images(pixels.shape[1:])):
            parts.append(self._batch(pixels[part]))
            if on_batch:
                on_batch(len(parts[-1]))
        return Features.joined(parts)

    @torch.inference_mode()
    def _batch(self, pixels: NDArray[np.uint8]) -> Features:
        model, n = self._observed.model, len(pixels)
        with capture(model, self.layers, lambda output: output.clone()) as found:
            logits = forward(model, pixels)
        maps = {layer: values.float().cpu() for layer, values in found.items()}
        predicted = logits.argmax(1).cpu().numpy()
        after = forward(model, squeezed(pixels))
        penultimate = maps[self.layers[-2:][0]] if maps else torch.zeros(n, 0)
        if penultimate.ndim > 2:
            penultimate = penultimate.flatten(2).mean(2)
        outlier, outlier_at = pixel_outlier(pixels)
        units = [self._unit_scores(layer, maps[layer], predicted) for layer in self.layers]
        places = [self._positions(layer, maps[layer], predicted) for layer in self.conv]
        size = (pixels.shape[1], pixels.shape[2])
        briefs = [summary(where, size) for _, where in places]
        classes = logits.shape[1]
        return Features(
            logits=logits.float().cpu().numpy(),
            penultimate=penultimate.numpy(),
            w1=_stacked([row[0] for row in units], n, 2, classes),
            surprisal=_stacked([row[1] for row in units], n, 2, classes),
            tail=_stacked([row[2] for row in units], n, 2),
            newly=_stacked([row[3] for row in units], n),
            spatial=_stacked([row[0] for row in places], n, len(SPATIAL), 2),
            position=_stacked([brief[0] for brief in briefs], n, 3),
            position_at=_stacked([brief[1] for brief in briefs], n, 2).astype(np.int64),
            outlier=outlier,
            outlier_at=outlier_at,
            squeezed=after.float().cpu().numpy(),
        )

    def _unit_scores(
        self, layer: str, maps: Tensor, predicted: NDArray[np.int64]
    ) -> tuple[NDArray[Any], ...]:
        values = (maps.amax((2, 3)) if maps.ndim == 4 else maps).numpy()
        tables = self._tables[layer]
        p = tables.tail_p(values, predicted)
        return (
            _over_units(tables.excess_w1(values)),
            _over_units(tables.surprisal(values)),
            np.stack([fisher(p), higher_criticism(p)], 1),
            tables.newly_firing(values, predicted) / tables.units,
        )

    def _positions(
        self, layer: str, maps: Tensor, predicted: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, 3, 2) divergences of the positions, and the position map (N, h, w)."""
        reference = self._spatial[layer]
        found = against_class(reference, maps, predicted)
        summed = [np.stack([found[m].mean(1), top_mean(found[m])], 1) for m in SPATIAL]
        return np.stack(summed, 1).astype(np.float32), position_map(reference, maps, predicted)


def _stacked(parts: Sequence[NDArray[Any]], n: int, *shape: int) -> NDArray[np.float32]:
    """One part (N, *shape) a layer -> (N, layers, *shape); there may be none."""
    found = np.stack(parts, 1) if parts else np.zeros((n, 0, *shape))
    return found.astype(np.float32)


def _over_units(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, units, C) -> (N, 2, C): mean and mean of the top 5%."""
    count = max(1, round(0.05 * scores.shape[1]))
    top = np.partition(scores, scores.shape[1] - count, axis=1)[:, -count:].mean(1)
    return np.stack([scores.mean(1), top], 1)
