"""Recordings with planted values, written as the recorder writes them, of the networks of Fig. 4.

Every layer has at most eight units, as the values are made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.evolution import EvolutionRun, WatchedLayer
from ndcore.evolution.recording.recorder import CURVES
from ndcore.evolution.recording.watch import watched_layers
from ndcore.evolution.run import METRICS
from ndcore.evolution.store import FOLDER, RECORD, RESULT, SCHEMA, epoch_file, write_arrays
from ndcore.networks.deep_view import build_network
from ndcore.statistics.intervals import wilson
from ndcore.storage.atomic import write_json
from ndcore.training.recipes import recipe

EPOCHS = 45
TOP = 20
CALM = {"discriminability": (1.0, 2.0), "density": (0.2, 0.2), "active": (0.3, 0.3)}
FALLING = {
    "train_loss": (2.0, 0.5),
    "train_top1_error": (0.7, 0.15),
    "train_top5_error": (0.2, 0.01),
    "validation_loss": (2.0, 0.9),
    "validation_top1_error": (0.7, 0.25),
    "validation_top5_error": (0.2, 0.02),
}


@lru_cache
def layers_of(network: str) -> tuple[WatchedLayer, ...]:
    found = watched_layers(build_network(network), (32, 32, 3))
    return tuple(replace(layer, units=min(layer.units, 8)) for layer in found[:-1]) + found[-1:]


def accuracy(share: float, n: int = 10_000) -> dict[str, Any]:
    right = round(share * n)
    test = {"n": n, "accuracy": right / n, "ci95": wilson(right, n), "lossless": 0}
    held = test | {"n": 100, "accuracy": 0.5, "lossless": 100}
    return {"test": test, "evaluation": held, "test_accuracy": right / n}


def plant(
    run: Path,
    network: str,
    *,
    recorded: int = EPOCHS,
    planned: int = EPOCHS,
    share: float | None = 0.8,
    labels: Mapping[str, np.ndarray] | None = None,
    between: tuple[float, float] | None = None,
) -> Path:
    """A calm run: discriminability doubles, density stays, losses and errors fall.

    `between` are the shares of variance between classes at epoch 0 and at the last one; without
    them there is no epoch 0.

    `labels` are the classes of a layer's top patches at the last epoch, (units, 20); by default
    unit u is driven by class u % 10.
    """
    folder, layers = run / FOLDER, layers_of(network)
    units = sum(layer.units for layer in layers)
    own = [layer for layer in layers if not layer.follows]
    config = asdict(replace(recipe(network), epochs=planned))
    about = {
        "schema": SCHEMA,
        "model": network,
        "data": "folder",
        "classes": list(CIFAR10_CLASSES),
        "shape": [32, 32, 3],
        "config": config,
        "reference": 45_000,
        "validation": 500,
        "sample_per_class": 64,
        "blocks": 16,
        "pool": 10 * TOP,
        "curves": list(CURVES),
        "layers": [layer.to_dict() for layer in layers],
    }
    write_json(folder / RECORD, about)
    pool = np.repeat(np.arange(10, dtype=np.int32), TOP)
    keys = np.array([f"image-{index}" for index in range(10 * TOP)])
    write_arrays(folder / "pool.npz", {"keys": keys, "labels": pool})
    for epoch in range(1, recorded + 1):
        at = (epoch - 1) / max(1, planned - 1)
        values = {name: low + at * (high - low) for name, (low, high) in CALM.items()}
        rows = {name: np.full(units, values.get(name, 0.0), np.float32) for name in METRICS}
        line = np.array([low + at * (high - low) for low, high in map(FALLING.get, CURVES)])
        if between and epoch == recorded:
            rows["between"] = np.full(units, between[1], np.float16)
        write_arrays(epoch_file(folder, "epoch", epoch), rows | {"curves": line})
    if between:
        begun = {name: np.zeros(units, np.float32) for name in METRICS}
        begun["between"] = np.full(units, between[0], np.float16)
        write_arrays(epoch_file(folder, "epoch", 0), begun)
    chosen = []
    for layer in own:
        default = np.tile(np.arange(layer.units)[:, None] % 10, (1, TOP))
        chosen.append((labels or {}).get(layer.name, default))
    images = np.concatenate(chosen) * TOP + np.arange(TOP)
    detail = {
        "sketch": np.zeros((10, units, 16), np.float16),
        "scale": np.ones(len(layers), np.float32),
        "low": np.zeros(len(images)),
        "high": np.ones(len(images)),
        "image": images,
        "position": np.zeros_like(images),
        "level": np.tile(np.arange(TOP, 0, -1, dtype=np.uint8), (len(images), 1)),
    }
    write_arrays(epoch_file(folder, "detail", recorded), detail)
    if share is not None:
        write_json(folder / RESULT, accuracy(share))
    return run


def changed(
    run: EvolutionRun,
    values: Mapping[tuple[str, str], np.ndarray] | None = None,
    curves: Mapping[str, np.ndarray] | None = None,
    share: float | None = None,
) -> EvolutionRun:
    """The run with other values: (metric, layer) -> (E,) or (units, E); layer `*` means all."""
    recorded = {name: rows.copy() for name, rows in run.recorded.items()}
    for (metric, name), series in (values or {}).items():
        start = 0
        for layer in run.layers:
            if name in ("*", layer.name):
                recorded[metric][start : start + layer.units] = series
            start += layer.units
    result = run.result if share is None else accuracy(share)
    return replace(run, recorded=recorded, curves={**run.curves, **(curves or {})}, result=result)
