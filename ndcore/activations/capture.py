"""Capture of activations: a hook that always goes away, and one number per unit and image."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import numpy as np
from torch import Tensor, nn

from ndcore.errors import BadRequestError
from ndcore.networks.forward import forward

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
        layers: dotted names of its modules.
        keep: what to keep of an output (N, units, H, W) or (N, units). It must not return a view:
            a later layer may overwrite the output in place.

    Yields:
        layer -> what was kept of the last forward pass. Only passes of the calling thread are
        recorded, so that a shared model may be used by several threads.

    Raises:
        BadRequestError: the model has no such layer.
    """
    modules = dict(model.named_modules())
    unknown = [name for name in layers if name not in modules]
    if unknown:
        raise BadRequestError(f"the model has no layer '{unknown[0]}'")
    owner = threading.get_ident()
    found: dict[str, Kept] = {}
    handles = []

    def keeper(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def record(_module: nn.Module, _inputs: object, output: Tensor) -> None:
            if threading.get_ident() == owner:
                found[name] = keep(output.detach() if isinstance(output, Tensor) else output)

        return record

    try:
        for name in layers:
            handles.append(modules[name].register_forward_hook(keeper(name)))
        yield found
    finally:
        for handle in handles:
            handle.remove()


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
    return activations.mean(spatial) if reduction == "mean" else activations.amax(spatial)


def unit_layout(
    model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]
) -> dict[str, tuple[int, tuple[str, ...]]]:
    """layer -> (number of units, reductions), found by one pass of a black image.

    Raises:
        BadRequestError: a layer cannot be observed; the sentence names it.
    """
    with capture(model, layers, lambda output: output) as found:
        forward(model, np.zeros((1, *shape), np.uint8))
    for name in layers:
        if (why := _unobservable(model.get_submodule(name), found.get(name))) is not None:
            raise BadRequestError(
                f"layer '{name}' {why}: it cannot be observed; set `layers` of the model to the "
                "names of those that can"
            )
    return {name: (found[name].shape[1], reductions_of(found[name])) for name in layers}


def observable(
    model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]
) -> tuple[str, ...]:
    """Those of some layers that run in eval mode and have units.

    Raises:
        BadRequestError: none of them does.
    """
    with capture(model, layers, lambda output: output) as found:
        forward(model, np.zeros((1, *shape), np.uint8))
    modules = dict(model.named_modules())
    kept = [name for name in layers if _unobservable(modules[name], found.get(name)) is None]
    if not kept:
        raise BadRequestError("no layer of the model can be observed; set its `layers` to names")
    return tuple(kept)


def runs_of(model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]) -> dict[str, int]:
    """How often each layer runs in one pass; of several runs the last is what `capture` keeps."""
    runs: Counter[str] = Counter()

    def counter(name: str) -> Callable[..., None]:
        return lambda *_: runs.update([name])

    handles = [model.get_submodule(name).register_forward_hook(counter(name)) for name in layers]
    try:
        forward(model, np.zeros((1, *shape), np.uint8))
    finally:
        for handle in handles:
            handle.remove()
    return dict(runs)


def _unobservable(layer: nn.Module, output: object) -> str | None:
    """Why what a layer put out, or None where it did not run, has no units; None if it has."""
    if output is None:
        return "does not run in eval mode"
    if not isinstance(output, Tensor):
        return f"gives a {type(output).__name__}, no tensor"
    kinds = {type(part) for part in layer.modules()}
    features_last = nn.Linear in kinds and nn.Conv2d not in kinds  # tokens or places come before
    if output.ndim not in (2, 4) or (output.ndim == 4 and features_last):
        return f"gives {tuple(output.shape)}, neither (N, units) nor (N, units, H, W)"
    return None
