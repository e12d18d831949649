"""Detectors of attacked images: one interface, scores where larger means more suspicious."""

from ndcore.detectors.divergence import (
    DETECTORS,
    Calibration,
    DivergenceDetector,
    load_detector,
)
from ndcore.detectors.verdict import LayerScore, UnitEvidence, Verdict

__all__ = [
    "DETECTORS",
    "Calibration",
    "DivergenceDetector",
    "LayerScore",
    "UnitEvidence",
    "Verdict",
    "load_detector",
]
