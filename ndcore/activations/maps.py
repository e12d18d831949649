"""Where in the image a conv unit fires: its value at every position, and the strongest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.capture import capture
from ndcore.errors import BadRequestError
from ndcore.networks.forward import forward


@dataclass(frozen=True)
class Peak:
    """The strongest position of a map: its value, and its row and column on the map."""

    value: float
    row: int
    col: int


def activation_maps(
    model: nn.Module, layers: Sequence[str], pixels: NDArray[np.uint8]
) -> dict[str, NDArray[np.float32]]:
    """Every value of some layers.

    Each image passes alone, so that equal images give equal bits.

    Args:
        model: in eval mode; float32.
        layers: dotted names.
        pixels: uint8 (N, H, W, C).

    Returns:
        layer -> float32 (N, units, h, w), or (N, units) for a dense layer.

    Raises:
        BadRequestError: the model has no such layer.
    """
    parts: dict[str, list[NDArray[np.float32]]] = {layer: [] for layer in layers}
    with capture(model, layers, lambda output: output.clone()) as found:
        for i in range(len(pixels)):
            forward(model, pixels[i : i + 1])
            for layer in layers:
                parts[layer].append(found[layer].float().cpu().numpy())
    return {layer: np.concatenate(values) for layer, values in parts.items()}


def peak(values: NDArray[np.floating]) -> Peak | None:
    """The strongest position of a map (h, w), the first one of equals; None if all are 0."""
    if not values.any():
        return None
    row, col = np.unravel_index(int(values.argmax()), values.shape)
    return Peak(float(values[row, col]), int(row), int(col))


def units_to_show(
    maps: NDArray[np.floating], marked: Sequence[int] = (), count: int = 3
) -> tuple[int, ...]:
    """Units worth looking at first.

    Args:
        maps: (N, units, h, w) of the benign image and, where there is one, the attacked one.
        marked: units that the user marked; they are taken where there are any.
        count: at most so many.

    Returns:
        Marked units, else those that the attack changed most at any position, else the strongest.

    Raises:
        BadRequestError: a marked unit does not exist.
    """
    units = maps.shape[1]
    for unit in marked:
        if not 0 <= unit < units:
            raise BadRequestError(f"neuron {unit} does not exist: use 0 to {units - 1}")
    if marked:
        return tuple(marked[:count])
    moved = np.abs(maps[1] - maps[0]) if len(maps) > 1 else maps[0]
    order = np.argsort(-moved.max((1, 2)), kind="stable")
    return tuple(int(unit) for unit in order[:count])
