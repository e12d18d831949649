"""What detectors must know of the reference images beyond the class distributions of the bundle.

Only images whose predicted class is their true one take part. Everything is read class by class,
so that memory holds the maps of one class's sample at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import Tensor, nn

from ndcore.activations.capture import capture
from ndcore.data.sources import ImageSource
from ndcore.detectors.scoring.spatial import SpatialReference
from ndcore.errors import BundleError, DataError
from ndcore.networks.forward import forward, most_images
from ndcore.networks.weights import weight_hash
from ndcore.steps import in_parts
from ndcore.storage.stamped import load_stamped, save_stamped

PER_CLASS = 300
LEAST_LEVELS = 256  # quantiles kept per unit and class


@dataclass(frozen=True)
class Reference:
    """Statistics of reference images.

    Attributes:
        weight_hash: of the model that was observed.
        classes: how many.
        spatial: conv layer -> statistics of its positions, in the order of the model.
        penultimate: float32 (n, D), the last but one layer.
        labels: int64 (n,), classes of these images, predicted and true.
        logits: float32 (n, classes).
    """

    weight_hash: str
    classes: int
    spatial: dict[str, SpatialReference]
    penultimate: NDArray[np.float32]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]

    @property
    def usual_softmax(self) -> NDArray[np.float64]:
        """Mean probabilities of each class's images, (classes, classes)."""
        probabilities = softmax(self.logits.astype(np.float64), axis=1)
        return np.stack([probabilities[self.labels == c].mean(0) for c in range(self.classes)])


@torch.inference_mode()
def collect_reference(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    *,
    per_class: int = PER_CLASS,
    seed: int = 0,
    on_batch: Callable[[int], None] | None = None,
) -> Reference:
    """Read a seeded sample of `per_class` images of every class.

    Args:
        model: in eval mode.
        layers: observed layers in order; the last but one is the penultimate one.
        source: images.
        members: positions of the reference split.
        per_class: images of each class, fewer where there are not so many.
        seed: of the sample.
        on_batch: called with the number of images just read.

    Raises:
        DataError: a class has no image that the model recognises.
    """
    rng = np.random.default_rng(seed)
    places = np.asarray(members)
    labels = source.labels[places]
    classes = len(source.classes)
    gathered = _Gathered(classes)
    for label in range(classes):
        own = rng.permutation(places[labels == label])[:per_class]
        parts: list[dict[str, Tensor]] = []
        for part in in_parts(len(own), most_images(source.shape)):
            chosen = own[part]
            with capture(model, layers, lambda output: output.clone()) as found:
                logits = forward(model, source.pixels(chosen))
            right = logits.argmax(1) == label
            parts.append(
                {name: found[name][right].float().cpu() for name in layers}
                | {"": logits[right].float().cpu()}
            )
            if on_batch:
                on_batch(len(chosen))
        gathered.add(label, parts, source.classes[label], layers)
    return gathered.reference(weight_hash(model), layers)


class _Gathered:
    """Sums over the classes read so far."""

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._means: dict[str, list[NDArray[np.float64]]] = {}
        self._quantiles: dict[str, list[NDArray[np.float32]]] = {}
        self._scatter: dict[str, NDArray[np.float64]] = {}
        self._positions: dict[str, int] = {}
        self._penultimate: list[NDArray[np.float32]] = []
        self._logits: list[NDArray[np.float32]] = []
        self._labels: list[int] = []

    def add(
        self, label: int, parts: list[dict[str, Tensor]], name: str, layers: Sequence[str]
    ) -> None:
        count = sum(len(part[""]) for part in parts)
        if not count:
            raise DataError(f"the model recognises no reference image of class '{name}'")
        self._labels += [label] * count
        self._logits.append(torch.cat([part[""] for part in parts]).numpy())
        penultimate = torch.cat([part[layers[max(0, len(layers) - 2)]] for part in parts])
        self._penultimate.append(
            (penultimate.flatten(2).mean(2) if penultimate.ndim > 2 else penultimate).numpy()
        )
        for layer in layers:
            maps = torch.cat([part.pop(layer) for part in parts])
            if maps.ndim == 4:
                self._add_layer(layer, maps)

    def _add_layer(self, layer: str, maps: Tensor) -> None:
        units, places = maps.shape[1], maps.shape[2] * maps.shape[3]
        rows = maps.permute(1, 0, 2, 3).reshape(units, -1)
        mean = rows.mean(1, keepdim=True)
        centred = rows - mean
        scatter = (centred @ centred.T).double().numpy()
        self._scatter[layer] = self._scatter.get(layer, 0) + scatter
        self._positions[layer] = self._positions.get(layer, 0) + rows.shape[1]
        self._means.setdefault(layer, []).append(mean[:, 0].double().numpy())
        levels = places * -(-LEAST_LEVELS // places)
        at = ((np.arange(levels) + 0.5) / levels * rows.shape[1]).astype(np.int64)
        ordered = rows.sort(1).values
        self._quantiles.setdefault(layer, []).append(ordered[:, torch.from_numpy(at)].numpy())

    def reference(self, known_as: str, layers: Sequence[str]) -> Reference:
        return Reference(
            weight_hash=known_as,
            classes=self._classes,
            spatial={
                layer: SpatialReference.from_quantiles(
                    np.stack(self._means[layer]),
                    self._scatter[layer] / self._positions[layer],
                    np.stack(self._quantiles[layer]),
                )
                for layer in layers
                if layer in self._means
            },
            penultimate=np.concatenate(self._penultimate),
            labels=np.array(self._labels, np.int64),
            logits=np.concatenate(self._logits),
        )


def save_reference(path: Path, reference: Reference) -> None:
    """Write a reference as .npz, atomically."""
    arrays: dict[str, NDArray[Any]] = {
        "layers": np.array(list(reference.spatial)),
        "penultimate": reference.penultimate,
        "labels": reference.labels,
        "logits": reference.logits,
    }
    for layer, statistics in reference.spatial.items():
        arrays |= {f"{layer}/{key}": value for key, value in vars(statistics).items()}
    save_stamped(path, arrays, reference.weight_hash)


def load_reference(path: Path, known_as: str) -> Reference:
    """Read what `save_reference` wrote.

    Args:
        path: file.
        known_as: weight hash of the model it is to be used with.

    Raises:
        BundleError: missing, damaged, or of other weights.
    """
    arrays = load_stamped(path, known_as)
    if arrays is None:
        raise BundleError(f"reference statistics {path} are missing, damaged or of other weights")
    names = [field.name for field in fields(SpatialReference)]
    return Reference(
        weight_hash=known_as,
        classes=arrays["logits"].shape[1],
        spatial={
            str(layer): SpatialReference(*(arrays[f"{layer}/{name}"] for name in names))
            for layer in arrays["layers"]
        },
        penultimate=arrays["penultimate"],
        labels=arrays["labels"],
        logits=arrays["logits"],
    )
