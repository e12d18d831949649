"""Record how a training run evolves, while it trains; `ndcore train ... --record`.

Each epoch a fixed sample of training images (the same number of every class, unaltered) goes
through the model in eval mode; the metrics of every unit come from its values at all positions of
the maps, thinned to at most 16 x 16 per map. Epoch 0 is the network before its first step. At
chosen epochs a larger pool of images is searched for the patches that drive each unit most.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks".
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.data.catalog import own_root
from ndcore.data.sources import ImageSource
from ndcore.errors import DataError
from ndcore.evolution.layers import BOUNDS, WatchedLayer
from ndcore.evolution.metrics import between_classes, blocks, density, discriminability
from ndcore.evolution.recording.about import CURVES
from ndcore.evolution.recording.watch import top_patches, values_of_layers, watched_layers
from ndcore.evolution.store import (
    FOLDER,
    RECORD,
    RESULT,
    SCHEMA,
    Arrays,
    epoch_file,
    epochs_in,
    snapshot_file,
    write_arrays,
    write_document,
)
from ndcore.networks.weights import save_weights

BLOCKS = 16
POOL_BYTES = 256 << 20
# Share of a bounded function's range that counts as its end.
NEAR_BOUND = 0.05


@dataclass(frozen=True)
class RecordConfig:
    """How much is recorded.

    Attributes:
        per_class: images of each class in the sample; at most a class's own number.
        pool: images searched for top patches.
        top: patches kept per unit at the chosen epochs.
        top_last: patches kept per unit at the last epoch.
        seed: of both choices of images.
    """

    per_class: int = 64
    pool: int = 10_000
    top: int = 20
    top_last: int = 1000
    seed: int = 0


def chosen_epochs(epochs: int) -> tuple[int, ...]:
    """Epochs at which class samples, top patches and weights are kept: 1, 2, 5, 10, ..., last."""
    return tuple(sorted({1, min(2, epochs), *range(5, epochs + 1, 5), epochs}))


class Recorder:
    """Writes `<run>/evolution/`, and `<run>/snapshots/` with the chosen epochs' weights.

    Args:
        run: folder of the training run.
        config: how much is recorded.
    """

    def __init__(self, run: Path, config: RecordConfig | None = None) -> None:
        self.folder = run / FOLDER
        self.config = config or RecordConfig()

    def start(
        self, run: dict[str, Any], model: nn.Module, source: ImageSource, members: list[int]
    ) -> None:
        """Choose the images and forget what an unfinished epoch or another run left behind.

        Raises:
            DataError: fewer than two classes have images.
        """
        rng = np.random.default_rng(self.config.seed)
        rows = np.array(members)
        labels = source.labels[rows]
        present = np.unique(labels)
        if len(present) < 2:
            raise DataError("discriminability needs images of at least two classes")
        smallest = min(int((labels == label).sum()) for label in present)
        count = min(self.config.per_class, smallest)
        # A multiple of the blocks, so that sorted samples divide evenly.
        count = count // BLOCKS * BLOCKS or count
        self._classes = len(present)
        self._blocks = BLOCKS if count >= BLOCKS else count
        sample = [rng.permutation(rows[labels == label])[:count] for label in present]
        self._sample = source.pixels(np.concatenate(sample))
        limit = max(1, POOL_BYTES // int(np.prod(source.shape)))
        pool = np.sort(rng.permutation(rows)[: min(self.config.pool, limit)])
        self._pool = source.pixels(pool)
        self._layers = watched_layers(model, source.shape)
        self._chosen = chosen_epochs(run["config"]["epochs"])
        self._last = run["config"]["epochs"]
        keys, root = np.array(source.keys()), own_root(source)

        about = {
            "schema": SCHEMA,
            "model": run["model"],
            "form": run.get("form", {}),
            "data": run["data"],
            **({"root": root, "intake": source.intake.to_dict()} if root else {}),
            "classes": [source.classes[label] for label in present],
            "shape": list(source.shape),
            "config": run["config"],
            "reference": len(members),
            "validation": len(run["splits"]["dev"]),
            "sample_per_class": count,
            "blocks": self._blocks,
            "pool": len(pool),
            "chosen_epochs": list(self._chosen),
            "curves": list(CURVES),
            "layers": [layer.to_dict() for layer in self._layers],
            "libraries": {name: version(name) for name in ("torch", "numpy")},
            "identity": _identity(run, self.config),
        }
        self._forget(about["identity"], len(run["epochs"]))
        pool_arrays = {"keys": keys[pool], "labels": source.labels[pool].astype(np.int32)}
        write_arrays(self.folder / "pool.npz", pool_arrays)
        write_document(self.folder / RECORD, about)
        if not run["epochs"]:
            write_arrays(epoch_file(self.folder, "epoch", 0), self._measured(model, 0)[0])

    def epoch(self, number: int, model: nn.Module, curves: dict[str, float]) -> None:
        """Measure and write epoch `number`; `curves` has the names in `CURVES`."""
        metrics, sketch = self._measured(model, number)
        if number in self._chosen:
            details = sketch | self._patches(model, number)
            write_arrays(epoch_file(self.folder, "detail", number), details)
            weights = snapshot_file(self.folder, number)
            save_weights(weights, dict(model.state_dict()), half=True)
        line = np.array([curves[name] for name in CURVES])
        write_arrays(epoch_file(self.folder, "epoch", number), metrics | {"curves": line})

    def _measured(self, model: nn.Module, number: int) -> tuple[Arrays, Arrays]:
        """Metrics of all units, and at chosen epochs their class samples in short."""
        parts: dict[str, list[NDArray[Any]]] = {name: [] for name in METRICS}
        between, sketches, scales = [], [], []
        for layer, seen in values_of_layers(model, self._layers, self._sample):
            ordered = by_class(seen.values, self._classes)
            ordered.sort(axis=-1)
            parts["discriminability"].append(discriminability(ordered, "normalised", in_order=True))
            parts["density"].append(density(seen.means))
            parts["active"].append((seen.values > 0).mean((0, 2)))
            parts["saturation"].append(_saturation(layer, seen.values))
            if number in (0, self._last):
                between.append(between_classes(ordered))
            if number in self._chosen:
                sketch = blocks(ordered, self._blocks)
                # Half precision of shares of the layer's largest value.
                scales.append(max(float(np.abs(sketch).max()), 1e-30))
                sketches.append((sketch / scales[-1]).astype(np.float16))
        metrics = {name: np.concatenate(part).astype(METRICS[name]) for name, part in parts.items()}
        if number in (0, self._last):
            metrics["between"] = np.concatenate(between).astype(np.float16)
        if not sketches:
            return metrics, {}
        joined = np.concatenate(sketches, axis=1)
        return metrics, {"sketch": joined, "scale": np.array(scales, np.float32)}

    def finish(self, result: dict[str, Any]) -> None:
        """Keep the accuracy of the trained model beside its recording."""
        write_document(self.folder / RESULT, result)

    def holds(self, run: dict[str, Any]) -> bool:
        """Whether the recording on disk is that of `run`, up to its last epoch."""
        if self._recorded() != _identity(run, self.config):
            return False
        return epochs_in(self.folder, "epoch")[-1:] == [len(run["epochs"])]

    def _recorded(self) -> str:
        try:
            return str(json.loads((self.folder / RECORD).read_text())["identity"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _patches(self, model: nn.Module, number: int) -> Arrays:
        own = [layer for layer in self._layers if not layer.follows]
        k = self.config.top_last if number == self._last else self.config.top
        tops = top_patches(model, own, self._pool, k)
        images = np.concatenate([tops[layer.name].images for layer in own])
        places = np.concatenate([tops[layer.name].positions for layer in own])
        values = np.concatenate([tops[layer.name].values for layer in own])
        high, low = values[:, :1], values[:, -1:]
        # A step of 1/255 of a unit's own range is far below what a weighted average shows.
        level = np.rint((values - low) / np.maximum(high - low, 1e-30) * 255)
        return {
            "image": images.astype(np.min_scalar_type(len(self._pool) - 1)),
            "position": places.astype(np.min_scalar_type(int(places.max()))),
            "level": level.astype(np.uint8),
            "low": low[:, 0],
            "high": high[:, 0],
        }

    def _forget(self, identity: str, done: int) -> None:
        """Remove what does not belong to the first `done` epochs of this very run."""
        if self._recorded() != identity:
            shutil.rmtree(self.folder, ignore_errors=True)
            shutil.rmtree(snapshot_file(self.folder, 1).parent, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".*"):
            left.unlink()
        for what in ("epoch", "detail"):
            for epoch in epochs_in(self.folder, what):
                if epoch > done:
                    epoch_file(self.folder, what, epoch).unlink()


METRICS = {
    "discriminability": np.float32,
    "density": np.float32,
    "active": np.float16,
    "saturation": np.float16,
}


def by_class(values: NDArray[np.float32], classes: int) -> NDArray[np.float32]:
    """Values (images, units, positions), as many images of each class and these in order of class.

    Returns:
        (classes, units, values of the class).
    """
    images, units, positions = values.shape
    split = values.reshape(classes, images // classes, units, positions)
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3)).reshape(classes, units, -1)


def _saturation(layer: WatchedLayer, values: NDArray[np.float32]) -> NDArray[np.floating]:
    """Share of values near an end of the range of a bounded function; 0 for other layers."""
    if layer.kind not in BOUNDS:
        return np.zeros(layer.units, np.float32)
    low, high = BOUNDS[layer.kind]
    margin = NEAR_BOUND * (high - low)
    ends = (values < low + margin) | (values > high - margin)
    share: NDArray[np.floating] = ends.mean((0, 2))
    return share


def _identity(run: dict[str, Any], config: RecordConfig) -> str:
    """Two runs with the same identity train and record the same."""
    told = [run["model"], run["data"], run["config"], run["splits"], vars(config), SCHEMA]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()
