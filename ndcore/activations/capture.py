"""Capture of activations: a hook that always goes away, and one number per unit and image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from ndcore.activations.calls import IMAGES, Call, calls_of
from ndcore.activations.layer_hooks import Place, on_layers
from ndcore.activations.layout import Layout
from ndcore.errors import BadRequestError
from ndcore.networks.forward import device_of

REDUCTIONS = ("mean", "max")
DENSE = ("value",)

Kept = TypeVar("Kept")


@contextmanager
def capture(
    model: nn.Module,
    layers: Sequence[str],
    keep: Callable[[Tensor], Kept],
) -> Iterator[dict[str, Kept]]:
    """Record what `layers` put out while the block runs.

    Args:
        model: any module.
        layers: names, see `ndcore.activations.layer_hooks`.
        keep: what to keep of an output (N, units, H, W) or (N, units). It must not return a view:
            a later layer may overwrite the output in place.

    Yields:
        layer -> what was kept of the last forward pass. Only passes of the calling thread are
        recorded, so that a shared model may be used by several threads.

    Raises:
        BadRequestError: the model has no such layer.
    """
    found: dict[str, Kept] = {}

    def see(name: str, output: Any) -> None:
        found[name] = keep(output.detach() if isinstance(output, Tensor) else output)

    with on_layers(model, layers, see):
        yield found


def reductions_of(activations: Tensor) -> tuple[str, ...]:
    """`("mean", "max")` for spatial activations, `("value",)` for dense ones."""
    return REDUCTIONS if activations.ndim > 2 else DENSE


def reduce_units(activations: Tensor, reduction: str) -> Tensor:
    """One value per unit: (N, units, ...) -> (N, units).

    Args:
        activations: a layer's output.
        reduction: `mean` or `max` over space, or `value` for a dense layer.

    Raises:
        BadRequestError: the reduction does not fit the layer.
    """
    if reduction not in reductions_of(activations):
        fits = " or ".join(reductions_of(activations))
        raise BadRequestError(f"reduction '{reduction}' does not fit this layer: use {fits}")
    if reduction == "value":
        return activations.clone()
    spatial = tuple(range(2, activations.ndim))
    if reduction == "mean":
        return activations.mean(spatial)
    if activations.ndim == 4 and activations.is_floating_point():
        # The same values as `amax`, in three quarters of its time where units lie last in memory.
        return functional.max_pool2d(activations, activations.shape[2:]).flatten(1)
    return activations.amax(spatial)


def unit_layout(
    model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]
) -> dict[str, tuple[int, tuple[str, ...]]]:
    """layer -> (number of units, reductions), found by one pass of black images.

    Raises:
        BadRequestError: a layer cannot be observed; the sentence names it.
    """
    parts = dict(model.named_modules())
    places = {name: Place.of(name, parts) for name in layers}
    calls = calls_of(model, torch.zeros(IMAGES, shape[2], *shape[:2], device=device_of(model)))
    for name, place in places.items():
        if (why := unobservable(place, calls)) is not None:
            raise BadRequestError(
                f"layer '{name}' {why}: it cannot be observed; choose others with --layers, or set "
                "`layers` of the model to the names of those that can"
            )
    last = {(call.name, call.number): call for call in calls} | {(c.name, 0): c for c in calls}
    return {name: _units_of(place, last[place.part, place.call]) for name, place in places.items()}


def _units_of(place: Place, call: Call) -> tuple[int, tuple[str, ...]]:
    layout = call.layout or Layout.VECTOR
    dense = place.first or layout is Layout.VECTOR
    return call.shape[layout.units_axis], DENSE if dense else REDUCTIONS


def runs_of(model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]) -> dict[str, int]:
    """How often each layer runs in one pass; of several runs the last is what `capture` keeps."""
    images = torch.zeros(IMAGES, shape[2], *shape[:2], device=device_of(model))
    runs = Counter(call.name for call in calls_of(model, images))
    return {name: runs[name] for name in layers}


def unobservable(place: Place, calls: Sequence[Call]) -> str | None:
    """Why a layer has no units, in words that follow its name; None if it has."""
    own = [call for call in calls if call.name == place.part and place.call in (0, call.number)]
    if not own:
        return "is not called in eval mode" + (" so often" if place.call > 1 else "")
    for call in own:
        if call.layout is None:
            return f"gives {call.told}" + (
                ", neither (N, units) nor (N, units, H, W)" if call.shape else ""
            )
        if not call.finite:
            return "gives values that are no numbers"
        if place.first and call.layout is not Layout.TOKENS:
            return "has no tokens"
    return None
