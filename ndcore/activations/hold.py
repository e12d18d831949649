"""Hold units of a running model at given values, with hooks that always go away.

A unit's value is what the distributions are made of: the largest activation of a conv unit's map,
or the activation of a dense unit. To clamp a unit is to replace its output by the nearest one (in
Euclidean distance) that has the wanted value. For a map and its maximum that means: all that lies
above the value is cut off at it; where the whole map lies below, its largest position alone is
lifted to it. A flat map that lies below has no such position and stays as it is. Layers run in
their order, so what is clamped early changes what arrives at the units that are clamped later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.activations.layer_hooks import on_layers
from ndcore.errors import BadRequestError

Masks = dict[str, NDArray[np.bool_]]  # layer -> (units,), the held ones


@dataclass(frozen=True)
class Clamp:
    """Which units of a layer are held at which value, for each image of a batch.

    Attributes:
        where: bool (N, units), or (1, units) for all images alike.
        values: float32 (N, units), or (1, units).
        reduction: `max`, `mean` or `value`: what of a unit has that value.
    """

    where: NDArray[np.bool_]
    values: NDArray[np.float32]
    reduction: str


def clamp_units(activations: Tensor, where: Tensor, values: Tensor, reduction: str) -> Tensor:
    """The nearest activations whose chosen units have the given values.

    Args:
        activations: (N, units) or (N, units, H, W); not changed.
        where: bool (N or 1, units).
        values: (N or 1, units).
        reduction: `value` for dense units, `max` or `mean` over a map.

    Raises:
        BadRequestError: the reduction does not fit.
    """
    if (reduction == "value") != (activations.ndim == 2) or reduction not in (
        "value",
        "mean",
        "max",
    ):
        raise BadRequestError(f"reduction '{reduction}' does not fit this layer")
    values = values.to(activations.dtype)
    if reduction == "value":
        return torch.where(where, values, activations)
    flat = activations.flatten(2)
    wanted = values.expand(flat.shape[:2])[..., None]
    if reduction == "mean":
        moved = flat + (wanted - flat.mean(2, keepdim=True))
    else:
        top, at = flat.max(2, keepdim=True)
        lifted = flat.scatter(2, at, wanted)
        if flat.shape[2] > 1:
            lifted = torch.where(top > flat.amin(2, keepdim=True), lifted, flat)
        moved = torch.where(top > wanted, torch.minimum(flat, wanted), lifted)
    return torch.where(where[..., None], moved, flat).view_as(activations)


@contextmanager
def clamped(model: nn.Module, clamps: Mapping[str, Clamp]) -> Iterator[None]:
    """Hold units while the block runs, in forward passes of the calling thread.

    Args:
        model: any module; other threads may use it meanwhile and notice nothing.
        clamps: name of a layer -> what is held of its output.

    Raises:
        BadRequestError: the model has no such layer.
    """

    def hold(name: str, output: Any) -> Tensor:
        where = torch.from_numpy(clamps[name].where).to(output.device)
        values = torch.from_numpy(clamps[name].values).to(output.device)
        return clamp_units(output, where, values, clamps[name].reduction)

    with on_layers(model, tuple(clamps), hold):
        yield


def unit_masks(units: Iterable[tuple[str, int]], sizes: Mapping[str, int]) -> Masks:
    """Units (layer, number) by layer.

    Args:
        units: to be held.
        sizes: layer -> number of its units.
    """
    found: Masks = {}
    for layer, unit in units:
        found.setdefault(layer, np.zeros(sizes[layer], np.bool_))[unit] = True
    return found


def random_others(masks: Masks, rng: np.random.Generator) -> Masks:
    """As many random units of the same layers, others where there are enough of them."""
    found: Masks = {}
    for layer, chosen in masks.items():
        count = int(chosen.sum())
        free = np.flatnonzero(~chosen)
        pool = free if len(free) >= count else np.arange(len(chosen))
        found[layer] = np.zeros(len(chosen), np.bool_)
        found[layer][rng.choice(pool, count, replace=False)] = True
    return found
