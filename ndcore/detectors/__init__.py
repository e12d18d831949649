"""Detectors of attacked images: one interface, scores where larger means more suspicious."""

from ndcore.detectors.calibration import Calibration
from ndcore.detectors.detector import Detector
from ndcore.detectors.layerwise import DivergenceDetector, load_detector
from ndcore.detectors.registry import DETECTORS
from ndcore.detectors.verdict import LayerScore, UnitEvidence, Verdict

__all__ = [
    "DETECTORS",
    "Calibration",
    "Detector",
    "DivergenceDetector",
    "LayerScore",
    "UnitEvidence",
    "Verdict",
    "load_detector",
]
