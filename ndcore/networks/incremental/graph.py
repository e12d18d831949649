"""A traced model as steps in the order they run, each with what a change does to its output."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate

from ndcore.errors import StoppedError
from ndcore.networks.incremental.geometry import Window
from ndcore.networks.incremental.sliding import (
    Convolution,
    Size,
    Sliding,
    sliding_call,
    sliding_module,
)

POINTWISE = (
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.PReLU,
    nn.ELU,
    nn.CELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Tanh,
    nn.Hardtanh,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
)
POINTWISE_CALLS = {
    *(operator.add, operator.sub, operator.mul, operator.truediv, operator.neg),
    *(operator.iadd, operator.isub, operator.imul, operator.itruediv),
    *(torch.add, torch.sub, torch.mul, torch.div, torch.maximum, torch.minimum),
    *(torch.relu, torch.sigmoid, torch.tanh, torch.clamp, torch.abs, torch.neg, torch.square),
    *(F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.mish, F.softplus, F.sigmoid),
    *(F.tanh, F.hardtanh, F.hardswish, F.hardsigmoid, F.dropout, F.dropout2d),
    *("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "relu", "relu_", "sigmoid"),
    *("tanh", "clamp", "clamp_", "clamp_min", "abs", "neg", "square", "clone", "contiguous"),
    "stochastic_depth",  # of torchvision; nothing in eval mode
}
MEANS = {torch.mean, "mean"}


class Kind(Enum):
    """What becomes of a change of some positions of the input maps."""

    POINTWISE = "the same positions of the output change"
    WINDOW = "those change whose windows span them"
    MEAN = "the mean over all positions changes"
    WHOLE = "all may change, or there are no positions"


@dataclass(frozen=True)
class Step:
    """One step of a model.

    Attributes:
        run: whole outputs from whole outputs of the inputs.
        inputs: the steps whose outputs it takes; none of the first, which is the image.
        kind: what becomes of a change.
        size: (H, W) of its output, or None when that is no map (N, C, H, W).
        channels: of that map.
        sliding: of a step of the kind WINDOW.
        multiplications: for one image.
        modules: dotted names of the modules it is a part of.
    """

    run: Callable[..., Any]
    inputs: tuple[int, ...]
    kind: Kind
    size: Size | None
    channels: int = 0
    sliding: Sliding | None = None
    multiplications: int = 0
    modules: frozenset[str] = frozenset()

    @property
    def window(self) -> Window | None:
        """Of a step of the kind WINDOW."""
        return self.sliding.window if self.sliding else None


def graph_of(
    model: nn.Module, shape: Sequence[int], device: torch.device, dtype: torch.dtype
) -> tuple[Step, ...] | None:
    """The steps of a traced model in order, the last giving its answer; None when it has none.

    Args:
        model: what `traced` or `fold_batch_norm` gave.
        shape: (H, W, C) of the images.
        device, dtype: of the model's weights.
    """
    if not isinstance(model, fx.GraphModule):
        return None
    height, width, channels = shape
    try:
        watched = _Watched(model)
        with torch.inference_mode():
            watched.run(torch.zeros(1, channels, height, width, device=device, dtype=dtype))
        return _Reader(model, watched).steps()
    except StoppedError:
        raise
    except Exception:  # whatever foreign code raises
        return None


class _Watched(fx.Interpreter):
    """Runs a graph once and notes the shape of every output, and what does not depend on images."""

    def __init__(self, model: fx.GraphModule) -> None:
        super().__init__(model)
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}  # of tensors that depend on the image
        self.constants: dict[fx.Node, Any] = {}
        self.scalars: dict[fx.Node, Any] = {}  # depend on shapes alone, as sizes do

    def run_node(self, n: fx.Node) -> Any:
        found = super().run_node(n)
        sources = n.all_input_nodes
        if n.op == "placeholder" and isinstance(found, Tensor):
            self.shapes[n] = tuple(found.shape)
        elif all(source in self.constants for source in sources):
            self.constants[n] = found
        elif _no_tensor(found):
            self.scalars[n] = found
        else:
            self.shapes[n] = tuple(found.shape) if isinstance(found, Tensor) else ()
        return found


def _no_tensor(found: Any) -> bool:
    if isinstance(found, (tuple, list)):
        return all(_no_tensor(part) for part in found)
    return isinstance(found, (int, float, str, torch.dtype, torch.device)) or found is None


@dataclass
class _Reader:
    """Reads the nodes of a graph that has been watched."""

    model: fx.GraphModule
    watched: _Watched
    index: dict[fx.Node, int] = field(default_factory=dict)

    def steps(self) -> tuple[Step, ...] | None:
        """See `graph_of`."""
        steps: list[Step] = []
        for node in self.model.graph.nodes:
            if node.op == "output":
                last = node.args[0]
                found = self.index.get(last, 0) if isinstance(last, fx.Node) else 0
                return tuple(steps[: found + 1]) if found else None
            if node not in self.watched.shapes:
                continue
            if node.op == "placeholder" and steps:
                return None
            self.index[node] = len(steps)
            steps.append(self._step(node))
        return None

    def _step(self, node: fx.Node) -> Step:
        shape = self.watched.shapes[node]
        size = (shape[2], shape[3]) if len(shape) == 4 else None
        sources = [source for source in node.all_input_nodes if source in self.index]
        inputs = tuple(self.index[source] for source in sources)
        modules = frozenset(node.meta.get("nn_module_stack", {}))
        if node.op == "placeholder":
            return Step(_image, (), Kind.POINTWISE, size, shape[1])
        if not sources:  # depends on the batch by its size alone
            raise ValueError(node.name)
        kind, sliding = self._kind(node, sources)
        run = self._runs(node, sources)
        if node.op == "call_module":
            modules |= {str(node.target)}
        return Step(
            run,
            inputs,
            kind,
            size,
            shape[1] if size else 0,
            sliding,
            self._multiplications(node, sliding, shape),
            modules,
        )

    def _kind(self, node: fx.Node, sources: Sequence[fx.Node]) -> tuple[Kind, Sliding | None]:
        shapes = [self.watched.shapes[source] for source in sources]
        shape = self.watched.shapes[node]
        if any(len(shape) != 4 for shape in shapes):
            return Kind.WHOLE, None
        if self._is_mean(node):
            return Kind.MEAN, None
        if len(shape) != 4:
            return Kind.WHOLE, None
        sliding = self._sliding(node, shapes[0][2:], shape[2:]) if len(sources) == 1 else None
        if sliding is not None:
            window = sliding.window
            outputs = (window.rows.outputs(shapes[0][2]), window.cols.outputs(shapes[0][3]))
            return (Kind.WINDOW, sliding) if outputs == shape[2:] else (Kind.WHOLE, None)
        return Kind.POINTWISE if self._is_pointwise(node, shapes, shape) else Kind.WHOLE, None

    def _module(self, node: fx.Node) -> nn.Module | None:
        return self.model.get_submodule(str(node.target)) if node.op == "call_module" else None

    def _known(self, value: Any) -> Any:
        """Arguments with the values of all nodes but those that depend on the image."""
        values = self.watched.constants | self.watched.scalars
        return fx.map_arg(value, lambda node: values.get(node, node))

    def _sliding(self, node: fx.Node, size: Sequence[int], out: Sequence[int]) -> Sliding | None:
        into, onto = (size[0], size[1]), (out[0], out[1])
        module = self._module(node)
        if module is not None:
            return sliding_module(module, into, onto)
        args, kwargs = self._known(node.args[1:]), self._known(node.kwargs)
        moving = [arg for arg in _leaves((args, list(kwargs.values()))) if isinstance(arg, fx.Node)]
        if moving or node.op != "call_function":
            return None
        return sliding_call(node.target, args, kwargs, into, onto)

    def _is_mean(self, node: fx.Node) -> bool:
        """The mean of each channel over all positions."""
        module = self._module(node)
        if module is not None:
            return isinstance(module, nn.AdaptiveAvgPool2d) and _one(module.output_size)
        args, kwargs = self._known(node.args[1:]), self._known(node.kwargs)
        if node.target is F.adaptive_avg_pool2d:
            return _one(args[0] if args else kwargs.get("output_size"))
        dims = args[0] if args else kwargs.get("dim")
        return (
            node.target in MEANS
            and isinstance(dims, (tuple, list))
            and sorted(dim % 4 for dim in dims) == [2, 3]
        )

    def _is_pointwise(
        self, node: fx.Node, shapes: Sequence[tuple[int, ...]], shape: tuple[int, ...]
    ) -> bool:
        module = self._module(node)
        if module is not None:
            fixed = isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
            return fixed or isinstance(module, POINTWISE)
        # Maps of one position may meet larger ones.
        if any(each[2:] not in (shape[2:], (1, 1)) for each in shapes):
            return False
        if node.target is torch.cat:
            dim = self._known(node.args[1] if len(node.args) > 1 else node.kwargs.get("dim"))
            joined = len(shapes) == len(node.all_input_nodes)
            return joined and dim in (1, -3) and all(each[2:] == shape[2:] for each in shapes)
        if node.target is F.pad:  # of channels alone
            pad = self._known(node.args[1] if len(node.args) > 1 else node.kwargs["pad"])
            return len(pad) == 6 and not any(pad[:4])
        name = getattr(node.target, "__name__", "")
        if node.target not in POINTWISE_CALLS and name not in POINTWISE_CALLS:
            return False
        constants = [self.watched.constants.get(source) for source in node.all_input_nodes]
        return all(_per_channel(value) for value in constants if isinstance(value, Tensor))

    def _runs(self, node: fx.Node, sources: Sequence[fx.Node]) -> Callable[..., Any]:
        module = self._module(node)
        if module is not None and node.args == tuple(sources) and not node.kwargs:
            return module

        # A node would keep the graph with all weights; only sizes of a batch are asked of it.
        def known(other: fx.Node) -> Any:
            if other in sources:
                return _Later(operator.itemgetter(sources.index(other)))
            if other in self.watched.constants:
                return self.watched.constants[other]
            return _Later(lambda maps: self._scalar(other, len(maps[0])))

        function = _function(node, module)
        args: Any = fx.map_arg(node.args, known)
        kwargs: Any = fx.map_arg(node.kwargs, known)

        def run(*maps: Any) -> Any:
            def value(part: Any) -> Any:
                return part.of(maps) if isinstance(part, _Later) else part

            return function(*map_aggregate(args, value), **map_aggregate(kwargs, value))

        return run

    def _scalar(self, node: fx.Node, count: int) -> Any:
        """What a node that depends on nothing but shapes gives for a batch of `count`."""
        if node in self.watched.constants:
            return self.watched.constants[node]
        if node in self.watched.shapes:
            shape = self.watched.shapes[node]
            return torch.empty((), device="meta").expand(count, *shape[1:])
        known: Any = fx.map_arg((node.args, node.kwargs), lambda other: self._scalar(other, count))
        return _function(node, None)(*known[0], **known[1])

    def _multiplications(
        self, node: fx.Node, sliding: Sliding | None, shape: tuple[int, ...]
    ) -> int:
        if sliding is not None and isinstance(sliding.slide, Convolution):
            return sliding.slide.multiplications * math.prod(shape[2:])
        module = self._module(node)
        if isinstance(module, nn.Conv2d):
            return module.weight.numel() * math.prod(shape[2:])
        if isinstance(module, nn.Linear):
            return module.in_features * math.prod(shape[1:])
        return 0


@dataclass(frozen=True)
class _Later:
    """An argument that is known with the maps that a step takes."""

    of: Callable[[tuple[Any, ...]], Any]


def _function(node: fx.Node, module: nn.Module | None) -> Callable[..., Any]:
    """What a node calls."""
    if module is not None:
        return module
    if node.op == "call_method":
        name = str(node.target)
        return lambda first, *args, **kwargs: getattr(first, name)(*args, **kwargs)
    assert callable(node.target)
    return node.target


def _image(images: Tensor) -> Tensor:
    return images


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in _leaves(part)]
    return [value]


def _one(output_size: Any) -> bool:
    return output_size == 1 or tuple(_leaves(output_size)) == (1, 1)


def _per_channel(value: Tensor) -> bool:
    """Broadcasts over positions: a scalar, or (1, C, 1, 1) or (C, 1, 1)."""
    return value.numel() == 1 or (value.ndim in (3, 4) and value.shape[-2:] == (1, 1))
