"""Divergence detector: an image against the distributions of its predicted class.

Unit scores (excess Wasserstein-1 or surprisal) -> mean of a layer's top 5% -> minus the log of
that mean's rank among benign dev images -> mean over layers -> conformal p-value per predicted
class. Three disjoint sets of images take part: reference (distributions), dev (ranks) and
calibration (p-values).

Reference: Park, Hohman & Chau 2019, "NeuralDivergence", asks whether such a divergence could
reveal attacks; score, ranks and threshold are ours.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.observed import Observed
from ndcore.activations.reading import Reading
from ndcore.detectors.calibration import Calibrated, Calibration
from ndcore.detectors.detector import Detector
from ndcore.detectors.evidence import evidence
from ndcore.detectors.layer_scores import measure, surprise_of
from ndcore.detectors.verdict import Verdict
from ndcore.errors import BadRequestError, BundleError

# Name -> title, and what it is.
LAYERWISE = {
    "wasserstein": (
        "unusual neurons, by distance",
        "distance of each neuron's value from the class, in class spreads (Wasserstein-1 above its "
        "minimum)",
    ),
    "surprisal": (
        "unusual neurons, by rarity",
        "how rare each neuron's value is in the class (binned negative log-likelihood)",
    ),
}


class DivergenceDetector(Detector[Reading]):
    """The detector of layers and units.

    Args:
        observed: gives layers, distributions and readings.
        name: a key of `LAYERWISE`.

    Raises:
        BadRequestError: no such detector.
    """

    layered = True

    def __init__(self, observed: Observed, name: str) -> None:
        if name not in LAYERWISE:
            raise BadRequestError(f"unknown detector '{name}': choose {', '.join(LAYERWISE)}")
        self.observed = observed
        self.name, (self.title, self.about) = name, LAYERWISE[name]

    def fit(self, dev: Reading, calibration: Reading) -> Self:
        """See `Detector.fit`."""
        ranked, layers = np.sort(self.layer_scores(dev), axis=0), self.layer_scores(calibration)
        scores = surprise_of(layers, ranked).mean(1).astype(np.float32)
        return self.with_calibration(Calibration(scores, calibration.predicted, ranked, layers))

    def see(self, pixels: NDArray[np.uint8]) -> Reading:
        """See `Detector.see`."""
        return self.observed.read(pixels)

    def score(self, seen: Reading) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return np.asarray(surprise_of(self.layer_scores(seen), self._dev).mean(1))

    def layer_scores(self, reading: Reading) -> NDArray[np.float32]:
        """Mean of the top 5% of a layer's units, (N, layers)."""
        return measure(self.observed, self.name, reading).layers

    def layer_p_values(self, reading: Reading) -> NDArray[np.float64]:
        """Conformal p-value of every layer's score alone, (N, layers)."""
        return self.calibration.layer_p_values(self.layer_scores(reading), reading.predicted)

    def explain(self, seen: Reading, alpha: float = 0.05) -> list[Verdict]:
        """See `Detector.explain`."""
        measured = measure(self.observed, self.name, seen)
        parts = surprise_of(measured.layers, self._dev)
        layer_p = self.calibration.layer_p_values(measured.layers, seen.predicted)
        shares = parts / parts.shape[1]
        told = evidence(self.observed, seen, measured, shares, layer_p)
        return self.verdicts(seen, parts.mean(1), alpha, told)

    @property
    def _dev(self) -> NDArray[np.float32]:
        dev = self.calibration.dev
        if dev is None:
            raise BundleError(f"the calibration of detector '{self.name}' knows no layers")
        return dev


def load_detector(bundle: Calibrated, name: str = "wasserstein") -> DivergenceDetector:
    """The calibrated detector of layers of a bundle.

    Raises:
        BadRequestError: no such detector.
        BundleError: the bundle has no calibration for it.
    """
    detector = DivergenceDetector(bundle, name).with_calibration(bundle.calibrations.get(name))
    _ = detector.calibration  # missing ones are refused here and not at the first image
    return detector
