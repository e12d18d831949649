"""One vector per image: what a layer says of it, one number per unit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ndcore.activations.capture import capture, reduce_units, reductions_of
from ndcore.activations.divergence import layer_divergence
from ndcore.activations.observed import Observed
from ndcore.activations.reading import image_bytes
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError
from ndcore.networks.forward import forward
from ndcore.steps import ShouldStop, in_parts, stop_if
from ndcore.storage.stamped import StampedRows

# What a vector holds of a convolution: each unit's strongest position, its mean over positions, or
# all units at one position, drawn at random for every image as TopoAct does.
POSITIONS = ("max", "mean", "random")
MOST = 10_000  # vectors of a graph
MOST_VALUES = 20 * 2**20  # numbers in them


@dataclass(frozen=True)
class LayerVectors(StampedRows):
    """What a layer said of N images.

    Attributes:
        values: (N, units), float16 where they fit; so they are kept, and so they are used.
        keys: str (N,), `ImageSource.keys` of the images.
        labels, predicted: int64 (N,), classes.
        divergence: float32 (N,), of the layer from the predicted class, in class spreads (see
            `layer_divergence`); NaN where that class has no distribution.
    """

    values: NDArray[np.floating]
    keys: NDArray[np.str_]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    divergence: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def wide(self) -> NDArray[np.float32]:
        """The values as float32."""
        return np.asarray(self.values, np.float32)

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Whether the network errs on the image; False where its class is not known."""
        return np.asarray((self.labels >= 0) & (self.predicted != self.labels), np.bool_)

    def take(self, rows: NDArray[np.integer]) -> Self:
        """The images at `rows`."""
        return type(self)(**{name: column[rows] for name, column in vars(self).items()})


@dataclass(frozen=True)
class ToRead:
    """Images that are read batch by batch.

    Attributes:
        keys: names; an image and its attacked copy have the same, and so the same position.
        labels: int64 (N,), true classes.
        pixels: of a slice of them, uint8 (n, H, W, C).
        about: what tells them from other images of the same names.
    """

    keys: tuple[str, ...]
    labels: NDArray[np.int64]
    pixels: Callable[[slice], NDArray[np.uint8]]
    about: str = ""

    @classmethod
    def of(cls, source: ImageSource, members: Sequence[int]) -> Self:
        """Those of a source at `members`."""
        every = source.keys()
        return cls(
            tuple(every[at] for at in members),
            source.labels[list(members)],
            lambda part: source.pixels(members[part]),
        )


def spread_members(source: ImageSource, held_out: Sequence[str], n: int, seed: int) -> list[int]:
    """Positions of a seeded draw of `n` images, of those that nothing was learnt from first.

    Args:
        source: of the images.
        held_out: keys of those.
        n: how many at most.
        seed: of the draw.
    """
    order = np.random.default_rng(seed).permutation(len(source))
    held = np.zeros(len(source), np.bool_)
    held[positions(source, list(held_out))] = True
    return sorted(order[np.argsort(~held[order], kind="stable")][:n].tolist())


def fitting(observed: Observed, layer: str, positions: str) -> str:
    """`positions` where the layer is a convolution's, else `value`.

    Raises:
        BadRequestError: no such layer, or no such way.
    """
    if positions not in POSITIONS:
        raise BadRequestError(f"unknown positions '{positions}': choose {', '.join(POSITIONS)}")
    return positions if "max" in observed.reductions(layer) else "value"


def most_vectors(units: int) -> int:
    """How many vectors of a layer a graph is made of at most."""
    return min(MOST, MOST_VALUES // max(1, units))


def read_vectors(
    observed: Observed,
    layers: Sequence[str],
    positions: str,
    images: ToRead,
    *,
    on_batch: Callable[[int], None] | None = None,
    should_stop: ShouldStop = None,
) -> dict[str, LayerVectors]:
    """What some layers say of images, in one pass over them; memory holds a batch and the vectors.

    Args:
        observed: the network and its distributions.
        layers: which.
        positions: one of `POSITIONS`; a dense layer has no choice.
        images: to read.
        on_batch: called with the number of images just read.
        should_stop: asked before every batch.

    Raises:
        BadRequestError: no such layer or way, or no image.
        StoppedError: `should_stop` said so.
    """
    if not images.keys:
        raise BadRequestError("there is no image to read")
    ways = {layer: fitting(observed, layer, positions) for layer in layers}
    batch = image_bytes(observed.model, layers, observed.shape).batch
    parts: dict[str, list[LayerVectors]] = {layer: [] for layer in layers}
    for part in in_parts(len(images.keys), batch):
        stop_if(should_stop)
        read = _batch(observed, ways, images.pixels(part), images.keys[part], images.labels[part])
        for layer, vectors in read.items():
            parts[layer].append(vectors)
        if on_batch:
            on_batch(len(images.keys[part]))
    return {layer: LayerVectors.joined(read) for layer, read in parts.items()}


def _batch(
    observed: Observed,
    ways: dict[str, str],
    pixels: NDArray[np.uint8],
    keys: Sequence[str],
    labels: NDArray[np.int64],
) -> dict[str, LayerVectors]:
    places = torch.tensor([_share(key) for key in keys], dtype=torch.float64)

    def reduced(output: Tensor) -> dict[str, Tensor]:
        found = {name: reduce_units(output, name) for name in reductions_of(output)}
        if output.ndim > 2:
            found["random"] = at_places(output, places)
        return found

    with capture(observed.model, list(ways), reduced) as found:
        logits = forward(observed.model, pixels)
    if not torch.isfinite(logits).all():
        raise BadRequestError("the model gives no numbers for an image, so there is no prediction")
    predicted = np.asarray(logits.argmax(1).cpu().numpy(), np.int64)
    made = {}
    for layer, way in ways.items():
        judged = found[layer][observed.judged_by(layer)].float().cpu().numpy()
        made[layer] = LayerVectors(
            values=_halves(found[layer][way].float().cpu().numpy()),
            keys=np.array(keys, np.str_),
            labels=np.asarray(labels, np.int64),
            predicted=predicted,
            divergence=_divergence(observed, layer, judged, predicted),
        )
    return made


def at_places(output: Tensor, shares: Tensor) -> Tensor:
    """All units at one position of each image: (N, units, ...) -> (N, units).

    Args:
        output: of a layer with positions.
        shares: (N,) in [0, 1): how far along the positions, row by row.
    """
    flat = output.flatten(2)
    at = (shares.to(flat.device) * flat.shape[2]).long()
    return flat[torch.arange(len(flat), device=flat.device), :, at]


def _share(key: str) -> float:
    """A number in [0, 1) that looks random and is the same for the same image everywhere."""
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:6]) / 2**48


def _halves(values: NDArray[np.float32]) -> NDArray[np.floating]:
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.isfinite(half).all() else values


def _divergence(
    observed: Observed, layer: str, values: NDArray[np.float32], predicted: NDArray[np.int64]
) -> NDArray[np.float32]:
    histograms = observed.usual(layer)
    found = np.full(len(values), np.nan, np.float32)
    for label in np.unique(predicted).tolist():
        if histograms.n[label]:
            rows = predicted == label
            found[rows] = layer_divergence(values[rows], histograms, label)
    return found
