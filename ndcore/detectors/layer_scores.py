"""How far every layer of an image lies from the predicted class, by its most unusual units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.divergence import excess_w1, surprisal, top_mean
from ndcore.activations.observed import Observed
from ndcore.activations.reading import Reading
from ndcore.networks.stoppable import ask

UNIT_SCORES = {"wasserstein": excess_w1, "surprisal": surprisal}


@dataclass(frozen=True)
class Divergences:
    """Unit scores float64 (N, units) per layer, and layer scores float32 (N, layers)."""

    units: dict[str, NDArray[np.float64]]
    layers: NDArray[np.float32]


def measure(observed: Observed, name: str, reading: Reading) -> Divergences:
    """Score every unit against the predicted class; a layer has the mean of its top 5%.

    Args:
        observed: gives the distributions.
        name: a key of `UNIT_SCORES`.
        reading: of N images.
    """
    units = {}
    for layer in observed.layers:
        ask()
        values, histograms = reading.values(layer, observed.judged_by(layer)), observed.usual(layer)
        units[layer] = np.empty(values.shape)
        for label in np.unique(reading.predicted).tolist():
            rows = reading.predicted == label
            units[layer][rows] = UNIT_SCORES[name](values[rows], histograms, label)
    layers = np.stack([top_mean(scores) for scores in units.values()], axis=1)
    # Calibration is stored as float32; the same rounding keeps ties ties.
    return Divergences(units, layers.astype(np.float32))


def surprise_of(layers: NDArray[np.floating], dev: NDArray[np.floating]) -> NDArray[np.float64]:
    """-ln of each layer score's rank p among the sorted dev scores, (N, layers)."""
    parts = np.empty(layers.shape)
    for j in range(layers.shape[1]):
        at_least = len(dev) - np.searchsorted(dev[:, j], layers[:, j], side="left")
        parts[:, j] = -np.log((1 + at_least) / (len(dev) + 1))
    return parts
