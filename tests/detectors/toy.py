"""A detector as somebody would add it: this file, and one entry in the registry."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.observed import Observed
from ndcore.activations.reading import Reading
from ndcore.detectors.detector import Detector
from ndcore.detectors.registry import Entry


class Doubt(Detector[Reading]):
    """One less the confidence, with a calibration of its own."""

    name, title, about = "toy", "doubt", "one less the confidence"

    def __init__(self, observed: Observed) -> None:
        self._observed = observed
        classes = len(observed.classes)
        self.calibrate(np.tile(np.linspace(0, 0.2, 99), classes), np.repeat(range(classes), 99))

    def see(self, pixels: NDArray[np.uint8]) -> Reading:
        """See `Detector.see`."""
        return self._observed.read(pixels)

    def score(self, seen: Reading) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return 1 - seen.confidence.astype(np.float64)


ENTRY = Entry("toy", Doubt.title, Doubt.about, Doubt, calibrated_by="")
