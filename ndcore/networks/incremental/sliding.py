"""What slides over a map: convolutions, pooling, padding and strided slices.

Each is told by its window and by what it does to maps that are padded already.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ndcore.networks.incremental.geometry import Reach, Window

Size = tuple[int, int]
NAMES: dict[Any, tuple[str, ...]] = {
    F.conv2d: ("weight", "bias", "stride", "padding", "dilation", "groups"),
    F.max_pool2d: (
        "kernel_size",
        "stride",
        "padding",
        "dilation",
        "ceil_mode",
        "return_indices",
    ),
    F.avg_pool2d: (
        "kernel_size",
        "stride",
        "padding",
        "ceil_mode",
        "count_include_pad",
        "divisor_override",
    ),
    F.pad: ("pad", "mode", "value"),
}


@dataclass(frozen=True)
class Convolution:
    """A convolution of maps that are padded already."""

    weight: Tensor
    bias: Tensor | None
    stride: Size
    dilation: Size
    groups: int

    def __call__(self, padded: Tensor) -> Tensor:
        """(N, C, H, W) -> the convolution without padding."""
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)

    @property
    def multiplications(self) -> int:
        """Of one output position."""
        return self.weight.numel()


@dataclass(frozen=True)
class Sliding:
    """A window, and what it does to maps (N, C, H, W) that are padded already.

    None where that hangs on where the window lies: it then runs on whole maps alone.
    """

    window: Window
    slide: Callable[[Tensor], Tensor] | None


def sliding_module(module: nn.Module, size: Size, out: Size) -> Sliding | None:
    """How a module slides over maps of a size, giving maps of size `out`; None if it does not."""
    settings = vars(module)
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros":
            return None
        return _convolution(settings | {"weight": module.weight, "bias": module.bias})
    if isinstance(module, nn.MaxPool2d):
        return _max_pool(settings, size, out)
    if isinstance(module, nn.AvgPool2d):
        return _average_pool(settings, size, out)
    if isinstance(module, (nn.ZeroPad2d, nn.ConstantPad2d)):
        return _padding({"pad": module.padding, "value": getattr(module, "value", 0.0)})
    return None


def sliding_call(
    function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], size: Size, out: Size
) -> Sliding | None:
    """The same for a function; `args` and `kwargs` are what it takes after the map."""
    if function is operator.getitem:
        return _slices(args[0])
    if function not in NAMES:
        return None
    settings = dict(zip(NAMES[function], args, strict=False)) | dict(kwargs)
    if function is F.conv2d:
        return _convolution({"bias": None} | settings)
    if function is F.pad:
        return _padding(settings)
    make = _max_pool if function is F.max_pool2d else _average_pool
    return make(settings, size, out)


def _convolution(settings: Mapping[str, Any]) -> Sliding | None:
    weight: Tensor = settings["weight"]
    kernel = _pair(tuple(weight.shape[-2:]))
    stride, dilation = (_pair(settings.get(name, 1)) for name in ("stride", "dilation"))
    padding = settings.get("padding", 0)
    if padding == "valid":
        padding = 0
    if padding == "same":  # what is odd is added behind
        total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        ends = [(n // 2, n - n // 2) for n in total]
    else:
        ends = [(n, n) for n in _pair(padding)]
    rows, cols = (Reach(kernel[i], stride[i], *ends[i], dilation=dilation[i]) for i in (0, 1))
    bias, groups = settings["bias"], settings.get("groups", 1)
    return Sliding(Window(rows, cols), Convolution(weight, bias, stride, dilation, groups))


def _max_pool(settings: Mapping[str, Any], size: Size, out: Size) -> Sliding | None:
    if settings.get("return_indices"):
        return None
    kernel, stride, padding = _pool_window(settings)
    dilation = _pair(settings.get("dilation", 1))
    ways = [Reach(kernel[i], stride[i], padding[i], dilation=dilation[i]) for i in (0, 1)]

    def slide(padded: Tensor) -> Tensor:
        return F.max_pool2d(padded, kernel, stride, 0, dilation)

    return Sliding(_hanging_over(ways, size, out, -torch.inf), slide)


def _average_pool(settings: Mapping[str, Any], size: Size, out: Size) -> Sliding | None:
    kernel, stride, padding = _pool_window(settings)
    window = _hanging_over([Reach(kernel[i], stride[i], padding[i]) for i in (0, 1)], size, out)
    hangs_over = (window.rows.after, window.cols.after) != padding
    if hangs_over or (any(padding) and not settings.get("count_include_pad", True)):
        return Sliding(window, None)  # the divisor differs along the border
    divisor = settings.get("divisor_override")

    def slide(padded: Tensor) -> Tensor:
        return F.avg_pool2d(padded, kernel, stride, 0, divisor_override=divisor)

    return Sliding(window, slide)


def _hanging_over(ways: Sequence[Reach], size: Size, out: Size, fill: float = 0.0) -> Window:
    """The window of a pool: where sizes are rounded up, its last outputs reach over the border."""
    rows, cols = (
        replace(way, after=max(way.before, way.inputs(outs) - n - way.before))
        for way, n, outs in zip(ways, size, out, strict=True)
    )
    return Window(rows, cols, fill)


def _pool_window(settings: Mapping[str, Any]) -> tuple[Size, Size, Size]:
    kernel = _pair(settings["kernel_size"])
    stride = settings.get("stride")
    return kernel, _pair(stride) if stride else kernel, _pair(settings.get("padding", 0))


def _padding(settings: Mapping[str, Any]) -> Sliding | None:
    pad = tuple(settings["pad"])
    value = settings.get("value")
    if settings.get("mode", "constant") != "constant" or len(pad) != 4 or min(pad) < 0:
        return None
    left, right, above, below = pad
    fill = float(value or 0.0)
    return Sliding(Window(Reach(1, 1, above, below), Reach(1, 1, left, right), fill), _as_it_is)


def _as_it_is(padded: Tensor) -> Tensor:
    return padded


def _slices(index: Any) -> Sliding | None:
    """Every so-manieth row and column, and any channels."""
    if not isinstance(index, tuple) or not 2 <= len(index) <= 4 or index[0] != slice(None):
        return None
    channels, rows, cols = (*index[1:], slice(None), slice(None))[:3]
    whole = all(
        isinstance(part, slice) and part.start in (None, 0) and part.stop is None
        for part in (rows, cols)
    )
    steps = [part.step or 1 for part in (rows, cols)] if whole else [0]
    if min(steps) < 1 or not isinstance(channels, (slice, list)):
        return None

    def slide(padded: Tensor) -> Tensor:
        return padded[:, channels, rows, cols]

    return Sliding(Window(Reach(1, steps[0]), Reach(1, steps[1])), slide)


def _pair(value: Any) -> Size:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    rows, cols = pair * 2 if len(pair) == 1 else pair
    return int(rows), int(cols)
