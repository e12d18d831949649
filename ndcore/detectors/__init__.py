"""Detectors of attacked images: one interface, scores where larger means more suspicious."""

from ndcore.detectors.layerwise import DETECTORS, Calibration, DivergenceDetector, load_detector
from ndcore.detectors.verdict import Judgement, LayerScore, UnitEvidence, Verdict

__all__ = [
    "DETECTORS",
    "Calibration",
    "DivergenceDetector",
    "Judgement",
    "LayerScore",
    "UnitEvidence",
    "Verdict",
    "load_detector",
]
