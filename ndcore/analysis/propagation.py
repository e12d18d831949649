"""How a changed pixel spreads: what differs between two images at every layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.maps import activation_maps
from ndcore.errors import BadRequestError

ROUNDING = 1e-5  # of a layer's largest value: float32 sums of thousands of terms are no finer


@dataclass(frozen=True)
class LayerChange:
    """What differs at one layer.

    A value counts as changed when it moved by more than `ROUNDING` of the layer's largest one.

    Attributes:
        layer: its name.
        difference: float32 (h, w), mean over units of |attacked - benign| at each position; None
            for a dense layer.
        positions_changed: positions at which any unit changed; None for a dense layer.
        units, units_changed: in all, and those that changed at any position.
        relative: L2 norm of attacked - benign over that of benign; 0 where nothing changed.
    """

    layer: str
    difference: NDArray[np.float32] | None
    positions_changed: int | None
    units: int
    units_changed: int
    relative: float

    @property
    def share_touched(self) -> float | None:
        """Share of positions changed, 0 to 1; None for a dense layer."""
        if self.difference is None or self.positions_changed is None:
            return None
        return self.positions_changed / self.difference.size

    @property
    def largest(self) -> float | None:
        """Largest value of the difference map; None for a dense layer."""
        return None if self.difference is None else float(self.difference.max())


def propagate(
    model: nn.Module,
    layers: Sequence[str],
    benign: NDArray[np.uint8],
    attacked: NDArray[np.uint8],
) -> tuple[LayerChange, ...]:
    """Compare two images at every layer.

    Args:
        model: in eval mode.
        layers: dotted names, in the order wanted.
        benign, attacked: uint8 (H, W, C).

    Raises:
        BadRequestError: the images differ in shape, or the model has no such layer.
    """
    if benign.shape != attacked.shape:
        raise BadRequestError(
            f"both images must have one shape but are {benign.shape} and {attacked.shape}"
        )
    maps = activation_maps(model, layers, np.stack([benign, attacked]))
    return tuple(change_of(layer, *maps[layer]) for layer in layers)


def change_of(
    layer: str, benign: NDArray[np.float32], attacked: NDArray[np.float32]
) -> LayerChange:
    """Compare the values of one layer, (units, h, w) or (units,) each."""
    moved = np.abs(attacked - benign)
    largest = max(float(np.abs(benign).max()), float(np.abs(attacked).max()))
    changed = moved > ROUNDING * largest
    moved = np.where(changed, moved, np.float32(0))
    spatial = moved.ndim == 3
    norm, change = float(np.linalg.norm(benign)), float(np.linalg.norm(moved))
    return LayerChange(
        layer=layer,
        difference=moved.mean(0) if spatial else None,
        positions_changed=int(changed.any(0).sum()) if spatial else None,
        units=len(moved),
        units_changed=int(changed.reshape(len(moved), -1).any(1).sum()),
        relative=(change / norm if norm else np.inf) if change else 0.0,
    )


def propagation_sentence(changes: Sequence[LayerChange]) -> str:
    """The course of the change in one sentence, with its numbers."""
    if not any(change.units_changed for change in changes):
        return "Nothing differs at any layer."
    maps = [change for change in changes if change.difference is not None]
    parts = []
    if maps:
        first = maps[0]
        assert first.difference is not None
        parts.append(
            f"the change touches {first.positions_changed:,} of {first.difference.size:,} "
            f"positions at {first.layer}"
        )
        full = next((change for change in maps if change.share_touched == 1), None)
        widest = max(maps, key=lambda change: change.share_touched or 0)
        if full is None:
            share = 100 * (widest.share_touched or 0)
            parts.append(f"at most {share:.0f}% of the positions of any layer ({widest.layer})")
        elif full is not first:
            parts.append(f"every position for the first time at {full.layer}")
    start, end = changes[0], changes[-1]
    parts.append(
        f"moves the values of {start.layer} by {100 * start.relative:.1f}% and those of "
        f"{end.layer} by {100 * end.relative:.1f}%"
    )
    told = f"{', '.join(parts[:-1])}, and {parts[-1]}" if maps else f"the change {parts[-1]}"
    return f"{told[:1].upper()}{told[1:]}."
