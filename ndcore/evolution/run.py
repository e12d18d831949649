"""Read a recorded run: the network over its epochs, a layer's units, a unit's patches.

It needs neither the model nor its images.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.atomic import RUNS, cache_dir
from ndcore.errors import BadRequestError, RunError
from ndcore.evolution.clusters import CLUSTERS, UnitClusters, cluster_units
from ndcore.evolution.layers import WatchedLayer, units_before
from ndcore.evolution.metrics import VARIANTS, layer_value, paper_factor, unit_distances
from ndcore.evolution.patches import Patches
from ndcore.evolution.rules import RULES, Rule, Warned, warnings_of
from ndcore.evolution.store import (
    FOLDER,
    RECORD,
    RESULT,
    SCHEMA,
    epoch_file,
    epochs_in,
    read_arrays,
    read_document,
)
from ndcore.evolution.trends import lowered_after
from ndcore.evolution.vulnerability import Vulnerability, read_vulnerability

__all__ = ["METRICS", "EvolutionRun", "list_runs", "load_run", "run_folders"]

SHIPPED = "shipped-runs"  # in the cache

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
        """Values per class behind a unit's discriminability: w x h x images."""
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
            values *= paper_factor(self.samples(layer), len(self.classes))
        return values

    def macro(
        self, metric: str = "discriminability", variant: str = "paper"
    ) -> NDArray[np.float64]:
        """A metric of every layer, the mean over its units, (layers, E); errors as `units`."""
        rows = [layer_value(self.units(layer.name, metric, variant)) for layer in self.layers]
        return np.stack(rows)

    def warnings(self, rules: tuple[Rule, ...] = RULES) -> list[Warned]:
        """Rules that hold for some layer at some epoch, layer by layer."""
        found = []
        network = self.macro(variant="normalised")
        for layer in self.layers:
            units = {name: self.units(layer.name, name, "normalised") for name in METRICS}
            found += warnings_of(layer, self.epochs, units, network, rules)
        return found

    def sketch(self, layer: str, epoch: int) -> NDArray[np.float32]:
        """Short quantile functions (classes, units, blocks): means of blocks of sorted samples.

        Raises:
            BadRequestError: unknown layer, or an epoch without details.
            RunError: the file is damaged.
        """
        arrays = self._details(epoch)
        start, here = units_before(self.layers, layer), self.layer(layer)
        scale = arrays["scale"][here.number - 1]
        rows = arrays["sketch"][:, start : start + here.units]
        return np.asarray(rows.astype(np.float32) * scale, np.float32)

    def distances(self, layer: str, epoch: int, variant: str = "paper") -> NDArray[np.floating]:
        """How far apart the units of a layer are, (units, units), from their `sketch`.

        Errors as `sketch`.
        """
        samples = self.samples(layer) if variant == "paper" else None
        return unit_distances(self.sketch(layer, epoch), samples)

    def clusters(
        self, layer: str, epoch: int, clusters: int = CLUSTERS, seed: int = 0
    ) -> UnitClusters:
        """Clusters of a layer's units and their map in the plane; errors as `sketch`."""
        return cluster_units(self.distances(layer, epoch, "normalised"), clusters, seed)

    def patches(self, layer: str, unit: int, epoch: int, k: int = 20) -> Patches:
        """The patches that drive a unit most, one per image, the highest first.

        Args:
            layer: name.
            unit: index in the layer.
            epoch: one of `detailed`.
            k: at most so many; 20 were kept at most epochs, 1,000 at the last.

        Raises:
            BadRequestError: unknown layer or unit, or an epoch without details.
            RunError: the file is damaged.
        """
        here = self.layer(layer)
        if not 0 <= unit < here.units:
            raise BadRequestError(f"layer '{layer}' has units 0 ... {here.units - 1}, got {unit}")
        arrays = self._details(epoch)
        own = (each for each in self.layers if not each.follows)
        row = unit + units_before(own, here.follows or layer)
        low, high = arrays["low"][row], arrays["high"][row]
        level = arrays["level"][row, :k].astype(np.float32) / 255
        values = np.asarray(low + level * (high - low), np.float32)
        keys, labels = self._pool
        images = arrays["image"][row, :k]
        if len(images) and int(images.max()) >= len(keys):
            raise RunError(f"the recording is damaged: details of epoch {epoch} name no image")
        return Patches(
            keys=tuple(str(key) for key in keys[images]),
            labels=labels[images],
            boxes=here.boxes(arrays["position"][row, :k], tuple(self.about["shape"])),
            activations=here.of(values) if here.follows else values,
        )

    @cached_property
    def _pool(self) -> tuple[NDArray[np.str_], NDArray[np.integer]]:
        count = int(self.about["pool"])
        shapes: dict[str, tuple[int | None, ...]] = {"keys": (count,), "labels": (count,)}
        arrays = read_arrays(self.folder / "pool.npz", shapes)
        return arrays["keys"], arrays["labels"]

    @cached_property
    def _held(self) -> dict[int, dict[str, NDArray[Any]]]:
        return {}

    def _details(self, epoch: int) -> dict[str, NDArray[Any]]:
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


def load_run(place: str | Path) -> EvolutionRun:
    """Open a recorded run.

    Args:
        place: folder of a run, of its recording, or the name of a model trained here.

    Raises:
        RunError: there is no recording, it has no epoch yet, or it is damaged.
    """
    folder = _find(place)
    about = read_document(folder / RECORD)
    if about.get("schema") != SCHEMA:
        raise RunError(f"the recording in {folder} was made by another version: record it anew")
    try:
        layers = tuple(WatchedLayer.from_dict(row) for row in about["layers"])
        names = [str(name) for name in about["curves"]]
        for key in ("model", "classes", "shape", "sample_per_class", "blocks", "pool"):
            about[key]
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"the recording is damaged: {folder / RECORD} lacks entries") from error
    epochs = epochs_in(folder, "epoch")
    if not epochs:
        raise RunError(f"the recording in {folder} has no epoch yet")
    units = sum(layer.units for layer in layers)
    shapes: dict[str, tuple[int | None, ...]] = dict.fromkeys(METRICS, (units,))
    shapes["curves"] = (len(names),)
    rows = [read_arrays(epoch_file(folder, "epoch", epoch), shapes) for epoch in epochs]
    curves = np.stack([row["curves"] for row in rows], axis=1)
    result = folder / RESULT
    return EvolutionRun(
        folder=folder,
        about=about,
        layers=layers,
        epochs=np.array(epochs, np.int64),
        curves=dict(zip(names, curves, strict=True)),
        result=read_document(result) if result.is_file() else {},
        recorded={name: np.stack([row[name] for row in rows], axis=1) for name in METRICS},
    )


def run_folders() -> dict[str, Path]:
    """Recorded runs by name, in alphabetical order.

    They are those trained here and those that came with the project; of two with one name, the
    latter is called `NAME (shipped)`.
    """
    own, came = (_recordings(cache_dir() / place) for place in (RUNS, SHIPPED))
    named = {f"{name} (shipped)" if name in own else name: path for name, path in came.items()}
    return dict(sorted((own | named).items()))


def list_runs() -> list[str]:
    """Names of `run_folders`."""
    return list(run_folders())


def _recordings(folder: Path) -> dict[str, Path]:
    found = folder.glob(f"*/{FOLDER}/{RECORD}")
    return {path.parent.parent.name: path.parent.parent for path in found}


def _find(place: str | Path) -> Path:
    named = run_folders()
    for folder in (Path(place), named.get(str(place))):
        for inner in (folder / FOLDER, folder) if folder else ():
            if (inner / RECORD).is_file():
                return inner
    known = ", ".join(named)
    raise RunError(
        f"there is no recorded run '{place}': "
        + (f"choose {known}" if known else "make one with train MODEL --record")
    )
