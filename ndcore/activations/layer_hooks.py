"""Hooks on named layers that see units first, and always go away.

A layer is a part of the model by its dotted name. `NAME#2` is the second call of a part that runs
several times in a pass (`NAME` alone is every call, of which the last remains); `NAME@class` is
the first token of a transformer's part, which lies before those of the image.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ndcore.activations.calls import layout_of
from ndcore.activations.layout import Layout, as_it_was, units_first
from ndcore.errors import BadRequestError

CALL, CLASS_TOKEN = "#", "@class"
See = Callable[[str, Any], Tensor | None]


@dataclass(frozen=True)
class Place:
    """What a layer's name stands for.

    Attributes:
        part: dotted name of the module.
        call: its number in a pass, from 1; 0 = every call.
        first: its first token alone.
    """

    part: str
    call: int = 0
    first: bool = False

    @classmethod
    def of(cls, name: str, parts: dict[str, nn.Module]) -> Place:
        """What `name` stands for among the parts of a model.

        Raises:
            BadRequestError: nothing.
        """
        if name in parts:
            return cls(name)
        first = name.endswith(CLASS_TOKEN)
        part, _, call = name.removesuffix(CLASS_TOKEN).partition(CALL)
        if part not in parts or not (call.isdigit() or not call):
            raise BadRequestError(f"the model has no layer '{name}'")
        return cls(part, int(call or 0), first)


@contextmanager
def on_layers(model: nn.Module, layers: Sequence[str], see: See) -> Iterator[None]:
    """Let `see` look at what `layers` put out while the block runs.

    Args:
        model: any module; other threads may use it meanwhile and notice nothing.
        layers: names.
        see: called with a layer's name and its output, (N, units) or (N, units, H, W) where its
            layout is known, as it is where not; a tensor that it returns takes the output's place.

    Raises:
        BadRequestError: the model has no such layer.
    """
    parts = dict(model.named_modules())
    places = {name: Place.of(name, parts) for name in layers}
    state = _State(model)
    with ExitStack() as hooks:
        hooks.callback(model.register_forward_pre_hook(state.begin).remove)
        for name, place in places.items():
            hook = _hook(state, name, place, see)
            hooks.callback(parts[place.part].register_forward_hook(hook).remove)
        yield


class _State:
    """What a pass of the thread that hooks were made in has come to."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.calls: Counter[str] = Counter()
        self.images = torch.zeros(0)
        self._owner, self._busy = threading.get_ident(), False

    @property
    def watching(self) -> bool:
        return not self._busy and threading.get_ident() == self._owner

    def begin(self, _model: nn.Module, inputs: tuple[Any, ...]) -> None:
        if self.watching:
            self.calls.clear()
            self.images = inputs[0] if inputs else torch.zeros(0)

    def layout(self, part: str, call: int, output: Tensor) -> Layout | None:
        if output.ndim == 2:
            return Layout.VECTOR
        module = self.model.get_submodule(part)
        if output.ndim == 4 and type(module).__name__.endswith("2d"):
            return Layout.MAPS
        self._busy = True
        try:
            return layout_of(self.model, part, call, self.images)
        finally:
            self._busy = False


def _hook(
    state: _State, name: str, place: Place, see: See
) -> Callable[[nn.Module, object, Any], Any]:
    def hook(_part: nn.Module, _inputs: object, output: Any) -> Any:
        if not state.watching:
            return None
        state.calls[name] += 1
        call = state.calls[name]
        if place.call not in (0, call):
            return None
        if not isinstance(output, Tensor):
            return see(name, output)
        layout = state.layout(place.part, call, output)
        if place.first:
            return _first_token(output, layout, name, see)
        if layout is None:
            return see(name, output)
        size = (state.images.shape[-2], state.images.shape[-1])
        found = see(name, units_first(output, layout, size))
        return None if found is None else as_it_was(found, output, layout, size)

    return hook


def _first_token(output: Tensor, layout: Layout | None, name: str, see: See) -> Tensor | None:
    if layout is not Layout.TOKENS:
        raise BadRequestError(f"layer '{name}' has no tokens")
    found = see(name, output[:, 0])
    return None if found is None else torch.cat([found[:, None], output[:, 1:]], 1)
