"""A model as a chain of steps, each with the window of its input that one output depends on.

Batch norm is folded into the convolution before it. Models whose graph is no plain chain are
left to the caller to run whole.
"""

from __future__ import annotations

import copy
import operator
import threading
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ndcore.errors import StoppedError

LARGEST_MATRIX = 2**23  # weights

POINTWISE = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.GELU,
    nn.SiLU,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardtanh,
    nn.Hardswish,
    nn.BatchNorm2d,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
)
POINTWISE_CALLS = {
    operator.sub,
    operator.truediv,
    operator.mul,
    operator.add,
    torch.sub,
    torch.div,
    torch.mul,
    torch.add,
    torch.relu,
    torch.sigmoid,
    torch.tanh,
    F.relu,
    F.silu,
    F.gelu,
    "sub",
    "div",
    "mul",
    "add",
    "relu",
    "sigmoid",
    "tanh",
}


@dataclass(frozen=True)
class Window:
    """Geometry of a sliding window, the same in both directions.

    Attributes:
        kernel, stride, padding, dilation: in pixels of the step's input.
    """

    kernel: int
    stride: int
    padding: int
    dilation: int

    @property
    def reach(self) -> int:
        """Input pixels that one output spans."""
        return (self.kernel - 1) * self.dilation + 1


@dataclass(frozen=True)
class Step:
    """One step of a chain.

    Attributes:
        run: (N, C, H, W) -> the step's output, as in the model.
        window: of a sliding-window step, else None.
        slide: the same as `run` on an input that is already padded; None without a window.
        pointwise: every output value depends on the values of one input position.
    """

    run: Callable[[Tensor], Tensor]
    window: Window | None = None
    slide: Callable[[Tensor], Tensor] | None = None
    pointwise: bool = False


_TRACING = threading.RLock()


class _ThisThread(fx.Tracer):
    """Tracing patches all modules of the process; what other threads call goes past it."""

    def __init__(self) -> None:
        super().__init__()
        self._thread = threading.get_ident()

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if threading.get_ident() != self._thread:
            return forward(*args, **kwargs)
        return super().call_module(m, forward, args, kwargs)

    def getattr(self, attr: str, attr_val: Any, parameter_proxy_cache: dict[str, fx.Proxy]) -> Any:
        if threading.get_ident() != self._thread:
            return attr_val
        return super().getattr(attr, attr_val, parameter_proxy_cache)


def traced(model: nn.Module) -> nn.Module:
    """The graph of an eval-mode model, sharing its weights; one that has none as it is.

    Other threads may use this model and others meanwhile.
    """
    try:
        with _TRACING:
            graph = _ThisThread().trace(model)
        return fx.GraphModule(model, graph, type(model).__name__).eval()
    except StoppedError:
        raise
    except Exception:  # whatever foreign code raises while it is traced
        return model


def fold_batch_norm(model: nn.Module, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The graph of a copy whose batch norms are folded into the convolutions before.

    A model that cannot be traced is copied as it is.

    Args:
        model: in eval mode, float32.
        dtype: of the copy.
    """
    graph = traced(model)
    if not isinstance(graph, fx.GraphModule):
        return copy.deepcopy(model).to(dtype)
    modules = dict(graph.named_modules())
    fresh: dict[int, Any] = {}
    for node in list(graph.graph.nodes):
        before = node.args[0] if node.args else None
        if not (isinstance(before, fx.Node) and before.op == node.op == "call_module"):
            continue
        conv, norm = modules[str(before.target)], modules[str(node.target)]
        if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
            once = len(before.users) == 1 and _uses(graph, before.target) == 1
            if not once or not norm.track_running_stats:
                continue
            # Tracing made new parents; only the leaves are the model's own.
            parent, _, leaf = str(before.target).rpartition(".")
            # Converted one by one, so that there is never a second whole copy.
            folded = fuse_conv_bn_eval(conv, norm).to(dtype)
            setattr(graph.get_submodule(parent), leaf, folded)
            fresh |= {id(weight): weight for weight in folded.parameters()}
            node.replace_all_uses_with(before)
            graph.graph.erase_node(node)
    graph.delete_all_unused_submodules()
    graph.graph.lint()
    graph.recompile()
    # What was not folded is still the model's own; what was is not copied twice.
    return copy.deepcopy(graph, fresh).to(dtype).eval()


def _uses(graph: fx.GraphModule, target: Any) -> int:
    return sum(node.op == "call_module" and node.target == target for node in graph.graph.nodes)


def chain_of(model: nn.Module) -> tuple[Step, ...] | None:
    """The steps of a traced model in order, or None when it is no plain chain."""
    if not isinstance(model, fx.GraphModule):
        return None
    steps: list[Step] = []
    last: fx.Node | None = None
    for node in model.graph.nodes:
        if node.op == "placeholder":
            if last is not None:
                return None
        elif node.op == "get_attr":
            continue
        elif node.op == "output":
            return tuple(steps) if node.args[0] is last else None
        else:
            inputs = [used for used in node.all_input_nodes if used.op != "get_attr"]
            if inputs != [last]:
                return None
            steps.append(_step(model, node))
        last = node
    return None


def _step(model: fx.GraphModule, node: fx.Node) -> Step:
    if node.op == "call_module":
        module = model.get_submodule(str(node.target))
        if isinstance(module, nn.Conv2d):
            return _convolution(module)
        if isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
            return _pooling(module)
        return Step(module, pointwise=isinstance(module, POINTWISE))
    constants = [used for used in node.all_input_nodes if used.op == "get_attr"]
    held = {used: _attribute(model, str(used.target)) for used in constants}
    plain = all(
        isinstance(value, Tensor) and _per_channel(value) for value in held.values()
    ) and not any(isinstance(value, Tensor) for value in node.kwargs.values())

    def run(values: Tensor) -> Tensor:
        def known(argument: Any) -> Any:
            return held.get(argument, values) if isinstance(argument, fx.Node) else argument

        args = fx.map_arg(node.args, known)
        kwargs = fx.map_arg(node.kwargs, known)
        if node.op == "call_method":
            found = getattr(args[0], str(node.target))(*args[1:], **kwargs)
        else:
            assert callable(node.target)
            found = node.target(*args, **kwargs)
        assert isinstance(found, Tensor)
        return found

    return Step(run, pointwise=plain and node.target in POINTWISE_CALLS)


def _attribute(model: nn.Module, name: str) -> Any:
    owner, _, leaf = name.rpartition(".")
    return getattr(model.get_submodule(owner), leaf)


def _per_channel(value: Tensor) -> bool:
    """Broadcasts over positions: a scalar, or (1, C, 1, 1) or (C, 1, 1)."""
    return value.numel() == 1 or (value.ndim in (3, 4) and value.shape[-2:] == (1, 1))


def _square(value: Any) -> int | None:
    """The one number of a setting that is the same in both directions."""
    pair = value if isinstance(value, tuple) else (value, value)
    return int(pair[0]) if len(set(pair)) == 1 and isinstance(pair[0], int) else None


def _convolution(module: nn.Conv2d) -> Step:
    kernel, stride, dilation = map(_square, (module.kernel_size, module.stride, module.dilation))
    padding = _square(module.padding)
    if not (kernel and stride and dilation) or padding is None or module.padding_mode != "zeros":
        return Step(module)

    def slide(padded: Tensor) -> Tensor:
        return F.conv2d(padded, module.weight, module.bias, stride, 0, dilation, module.groups)

    return Step(module, Window(kernel, stride, padding, dilation), slide)


def _pooling(module: nn.MaxPool2d | nn.AvgPool2d) -> Step:
    kernel, padding = _square(module.kernel_size), _square(module.padding)
    stride = _square(module.stride)
    dilation = _square(getattr(module, "dilation", 1))
    if not (kernel and stride and dilation) or padding != 0 or module.ceil_mode:
        return Step(module)
    return Step(module, Window(kernel, stride, 0, dilation), module)


@torch.inference_mode()
def as_matrix(step: Step, shape: tuple[int, int, int]) -> Step:
    """A convolution on maps so small that most of its taps fall on padding, as one matrix.

    Args:
        step: any step; one that would gain nothing comes back as it is.
        shape: (C, H, W) of its input.
    """
    module, (channels, height, width) = step.run, shape
    if not (isinstance(module, nn.Conv2d) and step.window) or module.groups != 1:
        return step
    window, features = step.window, channels * height * width
    tall, wide = ((n + 2 * window.padding - window.reach) // window.stride + 1 for n in shape[1:])
    outputs = module.out_channels * tall * wide
    if height * width >= window.kernel**2 or features * outputs > LARGEST_MATRIX:
        return step
    # Features in the order of channels_last memory, so that nothing is moved at run time.
    blocks = module.weight.new_zeros(tall, wide, module.out_channels, height, width, channels)
    for y, x in product(range(tall), range(wide)):
        for v, u in product(range(window.kernel), repeat=2):
            row = y * window.stride - window.padding + v * window.dilation
            col = x * window.stride - window.padding + u * window.dilation
            if 0 <= row < height and 0 <= col < width:
                blocks[y, x, :, row, col] = module.weight[:, :, v, u]
    matrix = blocks.view(outputs, features)
    bias = None if module.bias is None else module.bias.repeat(tall * wide)

    def run(values: Tensor) -> Tensor:
        flat = values.permute(0, 2, 3, 1).reshape(len(values), features)
        out = F.linear(flat, matrix, bias).view(-1, tall, wide, module.out_channels)
        return out.permute(0, 3, 1, 2)

    return Step(run, step.window, step.slide)
