"""Which layers of a model are recorded, and what is seen in one of its passes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.activations.capture import capture
from ndcore.activations.receptive import receptive_fields
from ndcore.evolution.layers import WatchedLayer, thinning
from ndcore.networks.forward import forward
from ndcore.networks.normalize import Normalize
from ndcore.networks.registry import layer_names
from ndcore.steps import in_parts

BATCH = 128
HELD_BYTES = 512 << 20

SILENT = (Normalize, nn.Flatten, nn.Dropout, nn.Dropout2d, nn.Identity)
KINDS: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("conv", (nn.Conv2d,)),
    ("dense", (nn.Linear,)),
    ("norm", (nn.BatchNorm2d, nn.BatchNorm1d, nn.GroupNorm, nn.LayerNorm)),
    ("relu", (nn.ReLU, nn.ReLU6)),
    ("sigmoid", (nn.Sigmoid,)),
    ("tanh", (nn.Tanh,)),
    ("pool", (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)),
)
RISING = (nn.ReLU, nn.Sigmoid, nn.Tanh)


Kept = TypeVar("Kept")


@dataclass(frozen=True)
class Seen:
    """A layer's output on a sample of images.

    Attributes:
        values: float32 (images, units, positions), thinned where the map is large.
        means: float32 (images, units) over the whole map.
    """

    values: NDArray[np.float32]
    means: NDArray[np.float32]


@dataclass(frozen=True)
class TopPatches:
    """Where the units of a layer were highest, one place per image, highest first.

    Attributes:
        images: rows of the images that were searched, int64 (units, k).
        positions: row * w + col on the layer's map, int64 (units, k).
        values: float32 (units, k).
    """

    images: NDArray[np.int64]
    positions: NDArray[np.int64]
    values: NDArray[np.float32]


def watched_layers(model: nn.Module, shape: tuple[int, int, int]) -> tuple[WatchedLayer, ...]:
    """The layers to record: every step of a chain that has units, else `layer_names`.

    Args:
        model: any module.
        shape: of its images, (H, W, C).
    """
    if isinstance(model, nn.Sequential):
        names = [name for name, child in model.named_children() if not isinstance(child, SILENT)]
    else:
        names = list(layer_names(model))
    with _watching(model), capture(model, names, _shape_of) as shapes:
        forward(model, np.zeros((1, *shape), np.uint8))
    names = [name for name in names if len(shapes.get(name, ())) in (2, 4)]
    with _watching(model):
        fields = receptive_fields(model, names, shape)
    modules = dict(model.named_modules())
    found: list[WatchedLayer] = []
    for name in names:
        module, size = modules[name], shapes[name]
        follows = found and isinstance(module, RISING) and isinstance(model, nn.Sequential)
        field = fields.get(name)
        found.append(
            WatchedLayer(
                name=name,
                number=len(found) + 1,
                kind=_kind(module),
                units=int(size[1]),
                size=(int(size[2]), int(size[3])) if len(size) == 4 else (1, 1),
                field=(field.start, field.size, field.jump) if field else None,
                follows=(found[-1].follows or found[-1].name) if follows else "",
            )
        )
    return tuple(found)


def _shape_of(output: object) -> tuple[int, ...]:
    return tuple(output.shape) if isinstance(output, torch.Tensor) else ()


def values_of_layers(
    model: nn.Module, layers: Sequence[WatchedLayer], pixels: NDArray[np.uint8]
) -> Iterator[tuple[WatchedLayer, Seen]]:
    """What the layers put out for images uint8 (n, H, W, C), layer by layer."""
    for group in _groups(layers, len(pixels)):
        found = _passes(model, [layer.name for layer in group], pixels, _thinned)
        for layer in group:
            values, means = zip(*found.pop(layer.name), strict=True)
            yield layer, Seen(np.concatenate(values), np.concatenate(means))


def top_patches(
    model: nn.Module, layers: Sequence[WatchedLayer], pixels: NDArray[np.uint8], k: int
) -> dict[str, TopPatches]:
    """Per layer and unit the `k` images of uint8 (n, H, W, C) that drive it most, and where."""
    found = _passes(model, [layer.name for layer in layers], pixels, _highest)
    tops = {}
    for name, parts in found.items():
        values, places = (torch.cat(part, dim=1) for part in zip(*parts, strict=True))
        best = values.topk(min(k, values.shape[1]), dim=1)
        tops[name] = TopPatches(
            images=best.indices.cpu().numpy(),
            positions=places.gather(1, best.indices).cpu().numpy().astype(np.int64),
            values=best.values.cpu().numpy(),
        )
    return tops


def _groups(layers: Sequence[WatchedLayer], images: int) -> list[list[WatchedLayer]]:
    """Layers in order, so many at a time as may be held at once."""
    groups: list[list[WatchedLayer]] = [[]]
    held = 0
    for layer in layers:
        size = 4 * images * layer.units * layer.watched
        if groups[-1] and held + size > HELD_BYTES:
            groups.append([])
            held = 0
        groups[-1].append(layer)
        held += size
    return groups


def _passes(
    model: nn.Module,
    names: Sequence[str],
    pixels: NDArray[np.uint8],
    keep: Callable[[Tensor], Kept],
) -> dict[str, list[Kept]]:
    found: dict[str, list[Kept]] = {name: [] for name in names}
    with _watching(model), capture(model, names, keep) as kept:
        for part in in_parts(len(pixels), BATCH):
            forward(model, pixels[part])
            for name in names:
                found[name].append(kept[name])
    return found


@contextmanager
def _watching(model: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.inference_mode():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def _thinned(output: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    if output.ndim == 2:
        values = output.float().cpu().numpy().copy()
        return values[:, :, None], values
    rows, cols = thinning(output.shape[2:])
    chosen = output[:, :, rows, cols]
    values = chosen.flatten(2).float().contiguous().cpu().numpy()
    return values.copy(), output.mean((2, 3)).float().cpu().numpy()


def _highest(output: Tensor) -> tuple[Tensor, Tensor]:
    """(units, images): the largest value, and where on the map."""
    if output.ndim == 2:
        return output.T.float().clone(), torch.zeros_like(output.T, dtype=torch.int32)
    best = output.float().flatten(2).max(-1)
    return best.values.T, best.indices.T.to(torch.int32)


def _kind(module: nn.Module) -> str:
    leaves = [part for part in module.modules() if not list(part.children())]
    for kind, types in KINDS:
        if leaves and isinstance(leaves[-1], types):
            return kind
    return "other"
