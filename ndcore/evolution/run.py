"""Read a recorded run: the network over its epochs, a layer's units, a unit's patches.

It needs neither the model nor its images.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError, RunError
from ndcore.evolution.clusters import CLUSTERS, UnitClusters, cluster_units
from ndcore.evolution.layers import WatchedLayer, units_before
from ndcore.evolution.metrics import VARIANTS, layer_value, paper_factor, unit_distances
from ndcore.evolution.patches import Patches
from ndcore.evolution.rules import Warned, warnings_of
from ndcore.evolution.store import epoch_file, epochs_in, read_arrays
from ndcore.evolution.trends import lowered_after
from ndcore.evolution.vulnerability import Vulnerability, read_vulnerability

METRICS = ("discriminability", "density", "active", "saturation")


@dataclass(frozen=True)
class EvolutionRun:
    """A recorded training run.

    Attributes:
        folder: where it is.
        about: `record.json`.
        layers: in the order of the forward pass.
        epochs: numbers of the recorded epochs, (E,).
        curves: `train_loss`, `train_top1_error`, `train_top5_error` (means over the epoch, on
            images as training altered them) and the same with `validation_` (after the epoch, on
            the dev split), each (E,); errors are shares.
        result: accuracy after training, as `train` prints it; empty while it goes on.
        recorded: metric -> (all units, E), see `units`.
    """

    folder: Path
    about: dict[str, Any]
    layers: tuple[WatchedLayer, ...]
    epochs: NDArray[np.int64]
    curves: Mapping[str, NDArray[np.float64]]
    result: dict[str, Any]
    recorded: Mapping[str, NDArray[np.floating]]

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.about["model"])

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names."""
        return tuple(self.about["classes"])

    @property
    def rate_lowered(self) -> tuple[int, ...]:
        """Epochs after which the recipe lets the learning rate step down."""
        config = self.about.get("config", {})
        return lowered_after(config.get("rates", ()), int(config.get("epochs", 0)))

    @cached_property
    def detailed(self) -> tuple[int, ...]:
        """Epochs at which class samples and patches were kept."""
        kept = set(self.epochs.tolist())
        return tuple(epoch for epoch in epochs_in(self.folder, "detail") if epoch in kept)

    @cached_property
    def start(self) -> Mapping[str, NDArray[Any]] | None:
        """Epoch 0, before the first step: each of `METRICS` and `between`, all units in a row.

        None where the recording was made without it.

        Raises:
            RunError: the file is damaged.
        """
        if not os.path.lexists(epoch_file(self.folder, "epoch", 0)):
            return None
        return self._row(0, *METRICS, "between")

    def between(self) -> NDArray[np.float64]:
        """Share of each unit's variance between classes at the last epoch, all units in a row.

        Raises:
            RunError: a recording without epoch 0 has none, or the file is damaged.
        """
        return self._row(int(self.epochs[-1]), "between")["between"].astype(np.float64)

    def _row(self, epoch: int, *names: str) -> dict[str, NDArray[Any]]:
        units = sum(layer.units for layer in self.layers)
        return read_arrays(epoch_file(self.folder, "epoch", epoch), dict.fromkeys(names, (units,)))

    @property
    def vulnerability(self) -> Vulnerability | None:
        """One-pixel flips and the detector per epoch, or None where they were not measured.

        Raises:
            RunError: the figures are damaged.
        """
        found = read_vulnerability(self.folder)
        if found is None:
            return None
        known = set(self.epochs.tolist())
        return replace(found, epochs=tuple(row for row in found.epochs if row.epoch in known))

    def layer(self, name: str) -> WatchedLayer:
        """A layer by name.

        Raises:
            BadRequestError: it was not recorded.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        known = ", ".join(layer.name for layer in self.layers)
        raise BadRequestError(f"layer '{name}' was not recorded: choose {known}")

    def samples(self, layer: str) -> int:
        """Values per class that a unit's discriminability is measured on.

        They are w x h x images, but of a map wider than 16 only every second, third, ... row and
        column.
        """
        return self.layer(layer).watched * int(self.about["sample_per_class"])

    def full_samples(self, layer: str) -> int:
        """Values per class of the paper's formula, w x h x images, to which its variant scales."""
        height, width = self.layer(layer).size
        return height * width * int(self.about["sample_per_class"])

    def units(
        self, layer: str, metric: str = "discriminability", variant: str = "paper"
    ) -> NDArray[np.float64]:
        """A metric of every unit over the epochs, (units, E).

        Args:
            layer: name.
            metric: `discriminability`, `density`, `active` (share of values above 0) or
                `saturation` (share near an end of a sigmoid's or tanh's range).
            variant: of discriminability, see `ndcore.evolution.metrics`.

        Raises:
            BadRequestError: unknown layer, metric or variant.
        """
        if metric not in METRICS:
            raise BadRequestError(f"unknown metric '{metric}': choose {', '.join(METRICS)}")
        if variant not in VARIANTS:
            raise BadRequestError(f"unknown variant '{variant}': choose {' or '.join(VARIANTS)}")
        start = units_before(self.layers, layer)
        rows = self.recorded[metric][start : start + self.layer(layer).units]
        values = rows.astype(np.float64)
        if metric == "discriminability" and variant == "paper":
            values *= paper_factor(self.full_samples(layer), len(self.classes))
        return values

    def macro(
        self, metric: str = "discriminability", variant: str = "paper"
    ) -> NDArray[np.float64]:
        """A metric of every layer, the mean over its units, (layers, E); errors as `units`."""
        rows = [layer_value(self.units(layer.name, metric, variant)) for layer in self.layers]
        return np.stack(rows)

    def warnings(self) -> list[Warned]:
        """Rules that hold for some layer at some epoch, layer by layer."""
        found = []
        network = self.macro(variant="normalised")
        for layer in self.layers:
            units = {name: self.units(layer.name, name, "normalised") for name in METRICS}
            found += warnings_of(layer, self.epochs, units, network)
        return found

    def sketch(self, layer: str, epoch: int) -> NDArray[np.float32]:
        """Short quantile functions (classes, units, blocks): means of blocks of sorted samples.

        Raises:
            BadRequestError: unknown layer, or an epoch without details.
            RunError: the file is damaged.
        """
        arrays = self.details(epoch)
        start, here = units_before(self.layers, layer), self.layer(layer)
        scale = arrays["scale"][here.number - 1]
        rows = arrays["sketch"][:, start : start + here.units]
        return np.asarray(rows.astype(np.float32) * scale, np.float32)

    def distances(self, layer: str, epoch: int, variant: str = "paper") -> NDArray[np.floating]:
        """How far apart the units of a layer are, (units, units), from their `sketch`.

        Errors as `sketch`.
        """
        samples = self.full_samples(layer) if variant == "paper" else None
        return unit_distances(self.sketch(layer, epoch), samples)

    def clusters(self, layer: str, epoch: int, clusters: int = CLUSTERS) -> UnitClusters:
        """Clusters of a layer's units and their map in the plane; errors as `sketch`."""
        return cluster_units(self.distances(layer, epoch, "normalised"), clusters)

    def details(self, epoch: int) -> dict[str, NDArray[Any]]:
        """What was kept at an epoch beside the metrics, of all layers in a row.

        `sketch` (classes, units, blocks) in steps of `scale` (layers,), and of the units of layers
        that follow no other: `image`, `position` and `level` (units, patches), `low`, `high`.

        Raises:
            BadRequestError: an epoch without details.
            RunError: the file is damaged.
        """
        if epoch not in self.detailed:
            kept = ", ".join(map(str, self.detailed)) or "none yet"
            raise BadRequestError(f"epoch {epoch} has no details: they were kept at {kept}")
        if epoch not in self._held:
            units = sum(layer.units for layer in self.layers)
            own = sum(layer.units for layer in self.layers if not layer.follows)
            shapes: dict[str, tuple[int | None, ...]] = {
                "sketch": (len(self.classes), units, int(self.about["blocks"])),
                "scale": (len(self.layers),),
            }
            shapes |= {"low": (own,), "high": (own,)}
            shapes |= dict.fromkeys(("image", "position", "level"), (own, None))
            self._held[epoch] = read_arrays(epoch_file(self.folder, "detail", epoch), shapes)
        return self._held[epoch]

    def patches(self, layer: str, unit: int, epoch: int, k: int = 20) -> Patches:
        """The patches that drive a unit most, one per image, the highest first.

        Args:
            layer: name.
            unit: index in the layer.
            epoch: one of `detailed`.
            k: at most so many; 20 were kept at most epochs, up to 1,000 at the last.

        Raises:
            BadRequestError: unknown layer or unit, or an epoch without details.
            RunError: the file is damaged.
        """
        here = self.layer(layer)
        if not 0 <= unit < here.units:
            raise BadRequestError(f"layer '{layer}' has units 0 ... {here.units - 1}, got {unit}")
        arrays = self.details(epoch)
        own = (each for each in self.layers if not each.follows)
        row = unit + units_before(own, here.follows or layer)
        low, high = arrays["low"][row], arrays["high"][row]
        level = arrays["level"][row, :k].astype(np.float32) / 255
        values = np.asarray(low + level * (high - low), np.float32)
        keys, labels = self._pool
        images, places = arrays["image"][row, :k], arrays["position"][row, :k]
        if len(images) and not 0 <= int(images.min()) <= int(images.max()) < len(keys):
            raise RunError(f"the recording is damaged: details of epoch {epoch} name no image")
        if len(places) and not 0 <= int(places.min()) <= int(places.max()) < math.prod(here.size):
            raise RunError(f"the recording is damaged: details of epoch {epoch} name no place")
        return Patches(
            keys=tuple(str(key) for key in keys[images]),
            labels=labels[images],
            boxes=here.boxes(places, tuple(self.about["shape"])),
            activations=here.of(values) if here.follows else values,
        )

    def pool_labels(self) -> tuple[int, ...]:
        """Labels of the classes that the pool has images of, in order.

        Raises:
            RunError: the pool is damaged.
        """
        return tuple(np.unique(self._pool[1]).tolist())

    def class_keys(self, label: int, most: int) -> tuple[str, ...]:
        """Keys of the first images of a class in the pool, `most` at most; errors as above."""
        keys, labels = self._pool
        return tuple(str(key) for key in keys[labels == label][:most])

    @cached_property
    def _pool(self) -> tuple[NDArray[np.str_], NDArray[np.integer]]:
        count = int(self.about["pool"])
        shapes: dict[str, tuple[int | None, ...]] = {"keys": (count,), "labels": (count,)}
        arrays = read_arrays(self.folder / "pool.npz", shapes)
        return arrays["keys"], arrays["labels"]

    @cached_property
    def _held(self) -> dict[int, dict[str, NDArray[Any]]]:
        return {}
