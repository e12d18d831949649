"""What runs in one pass of a model: every part that is called, in order, with its layout.

Forward hooks alone are used, so that any module can be looked at. What a Conv2d or a Linear puts
out has a known order of axes; an activation has that of what it was given, and a block that of the
last part inside that gave a tensor of its shape. Where none of this tells, nothing is assumed.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, fx, nn

from ndcore.activations.layout import Layout

IMAGES = 2  # of a trial pass, so that the axis of the images shows
NAMED_LAST = "Permute"  # torchvision's module; its order says where the units go


_LAYOUTS: weakref.WeakKeyDictionary[nn.Module, dict[tuple[str, int], Layout | None]] = (
    weakref.WeakKeyDictionary()
)


@dataclass(frozen=True)
class Call:
    """One call of one part of a model.

    Attributes:
        name: dotted.
        number: which call of this part it is in a pass, from 1.
        part: the module.
        shape: of its output, images first; () where that is no tensor.
        layout: of its output; None where that is not known.
        told: what the output is, in words.
        leaf: it has no parts of its own.
        tensor: the same number for the same tensor; a block that ends in a part gives its tensor.
        finite: all values are numbers.
    """

    name: str
    number: int
    part: nn.Module
    shape: tuple[int, ...]
    layout: Layout | None
    told: str
    leaf: bool
    tensor: int
    finite: bool


@dataclass
class _Pass:
    """Calls so far, with the tensors they gave, so that none is mistaken for a later one."""

    images: Tensor
    calls: list[Call] = field(default_factory=list)
    tensors: list[object] = field(default_factory=list)
    numbers: Counter[str] = field(default_factory=Counter)

    def see(self, name: str, part: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        self.numbers[name] += 1
        self.tensors.append(output)
        leaf = not any(True for _ in part.children())
        call = Call(
            name,
            self.numbers[name],
            part,
            (),
            None,
            f"a {type(output).__name__}, no tensor",
            leaf,
            id(output),
            True,
        )
        if isinstance(output, Tensor):
            layout = self._layout(part, inputs, output) if len(output.shape) else None
            told = f"({', '.join(['N', *map(str, output.shape[1:])])})"
            finite = is_finite(output)
            call = replace(call, shape=tuple(output.shape), layout=layout, told=told, finite=finite)
        self.calls.append(call)

    def _layout(self, part: nn.Module, inputs: tuple[object, ...], output: Tensor) -> Layout | None:
        if len(output) != len(self.images) or output.ndim not in (2, 3, 4):
            return None
        if output.ndim == 2:
            return Layout.VECTOR
        known = _by_kind(part, output)
        if known is not None:
            return known
        for given in inputs:
            if isinstance(given, Tensor) and given.shape == output.shape:
                for call in reversed(self.calls):
                    if call.tensor == id(given) and call.layout is not None:
                        return call.layout
        for call in reversed(self.calls):
            if call.shape == tuple(output.shape) and call.layout is not None:
                return call.layout
        # Before anything with units: the images themselves, normalised or resized.
        alike = output.ndim == 4 and output.shape[1] == self.images.shape[1]
        return Layout.MAPS if alike else None


def is_finite(values: Tensor) -> bool:
    """Whether all are numbers: a finite sum says it in a tenth of the time that a look at each of
    them takes, and finite values may add up to infinity."""
    if not values.is_floating_point():
        return True
    return bool(torch.isfinite(values.sum())) or bool(torch.isfinite(values).all())


def _by_kind(part: nn.Module, output: Tensor) -> Layout | None:
    """The layout that a kind of leaf has by itself."""
    kind, deep = type(part).__name__, output.ndim == 4
    last = Layout.MAPS_LAST if deep else Layout.TOKENS
    if kind == NAMED_LAST:
        order = tuple(getattr(part, "dims", ()))
        orders = {(0, 2, 3, 1): Layout.MAPS_LAST, (0, 3, 1, 2): Layout.MAPS}
        return orders.get(order)
    if kind.endswith("2d") and deep:
        return Layout.MAPS
    if kind.endswith("1d") and not deep:
        return Layout.SEQUENCE
    if isinstance(part, nn.Linear):
        return last
    if isinstance(part, nn.LayerNorm) and part.normalized_shape == tuple(output.shape[-1:]):
        return last
    return None


@torch.inference_mode()
def calls_of(model: nn.Module, images: Tensor) -> list[Call]:
    """Every call of a part in one pass, in the order in which they end.

    Args:
        model: run in eval mode; left as it was.
        images: float32 (N, C, H, W), at least `IMAGES` of them.
    """
    seen = _Pass(images)
    handles = [
        part.register_forward_hook(_seer(seen, name))
        for name, part in model.named_modules()
        if name and not isinstance(part, (fx.GraphModule, torch.jit.ScriptModule))
    ]
    try:
        with _quiet(model):
            model(images)
    finally:
        for handle in handles:
            handle.remove()
    _LAYOUTS[model] = {(call.name, call.number): call.layout for call in seen.calls}
    return seen.calls


def _seer(seen: _Pass, name: str) -> Callable[[nn.Module, tuple[object, ...], object], None]:
    return lambda part, inputs, output: seen.see(name, part, inputs, output)


@contextmanager
def _quiet(model: nn.Module) -> Iterator[None]:
    """Eval mode, and afterwards every part's own mode again."""
    modes = [(part, part.training) for part in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def layout_of(model: nn.Module, name: str, number: int, images: Tensor) -> Layout | None:
    """The layout of one call's output; looked up in a pass that was made, or is made now."""
    if model not in _LAYOUTS:
        calls_of(model, images[:1].repeat(IMAGES, 1, 1, 1))
    return _LAYOUTS[model].get((name, number))
