"""Benign scores that turn a detector's scores into p-values."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.observed import Observed
from ndcore.statistics.conformal import ClassCalibration


@dataclass(frozen=True)
class Calibration:
    """What a detector knows of benign images.

    Attributes:
        scores: (calibration images,), image scores; compared as float32, as they are saved.
        predicted: int64 (calibration images,), predicted classes; misclassified ones included.
        dev: float32 (dev images, layers), layer scores, each column sorted; None without layers.
        layers: float32 (calibration images, layers), layer scores; None without layers.
    """

    scores: NDArray[np.floating]
    predicted: NDArray[np.int64]
    dev: NDArray[np.float32] | None = None
    layers: NDArray[np.float32] | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the image scores: another calibration has another."""
        return hashlib.sha256(np.ascontiguousarray(self.scores).tobytes()).hexdigest()

    @cached_property
    def images(self) -> ClassCalibration:
        """Image scores by predicted class."""
        return ClassCalibration(self.scores.astype(np.float32), self.predicted)

    @cached_property
    def by_layer(self) -> tuple[ClassCalibration, ...]:
        """Each layer's scores by predicted class."""
        layers = () if self.layers is None else self.layers.T
        return tuple(ClassCalibration(column, self.predicted) for column in layers)

    def layer_p_values(
        self, layers: NDArray[np.float32], predicted: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Conformal p-value of every layer score (N, layers) alone, among the same class."""
        columns = zip(self.by_layer, layers.T, strict=True)
        return np.stack([known.p_values(scores, predicted) for known, scores in columns], 1)


class Calibrated(Observed):
    """An observed network with what its detectors know of benign images.

    Attributes:
        name: for people and commands.
    """

    name: str

    @property
    def calibrations(self) -> Mapping[str, Calibration]:
        """By name of the detector; there need not be one for each."""
        raise NotImplementedError
