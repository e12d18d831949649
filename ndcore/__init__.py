"""Neural Divergence: why one pixel fools a network, and whether it could be noticed.

Contract: images float32 (N, C, H, W) in [0, 1]; models return logits; normalisation is the
model's first layer; labels int64 (N,); 8-bit pixels are uint8 (N, H, W, C); positions are
(row, col); scores are larger for the more suspicious. Importing this package loads neither
torch nor streamlit.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "AttackConfig": "ndcore.attacks",
    "AttackResult": "ndcore.attacks",
    "Bundle": "ndcore.bundles.bundle",
    "ClassHistograms": "ndcore.activations.histograms",
    "ImageSource": "ndcore.data.sources",
    "Intake": "ndcore.data.folder.intake",
    "NeuralDivergenceError": "ndcore.errors",
    "EvolutionRun": "ndcore.evolution",
    "Pair": "ndcore.data.pairs",
    "TrainConfig": "ndcore.training.recipes",
    "adapt_model": "ndcore.networks.brought.opening",
    "attack_images": "ndcore.attacks",
    "build": "ndcore.bundles.build",
    "certify": "ndcore.certificate",
    "list_bundles": "ndcore.bundles.bundle",
    "load_bundle": "ndcore.bundles.bundle",
    "load_detector": "ndcore.detectors",
    "load_run": "ndcore.evolution",
    "open_data": "ndcore.data.catalog",
    "open_source": "ndcore.data.catalog",
    "train": "ndcore.training.loop",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'ndcore' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)
