"""Which observed layer drives the next one by a single convolution or linear map, and how.

Between two observed layers there may be steps that keep channels apart (activations, pools, batch
norms, flattening), then one convolution or linear map, then batch norm and an activation. There the
share of every unit in what the next one receives is exact. Where anything else lies between, such
as a sum, a concatenation or a second convolution, no edges are drawn and a sentence says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import fx, nn

from ndcore.networks.incremental.graph import POINTWISE
from ndcore.networks.incremental.tracing import traced

POOLS = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveMaxPool2d, nn.AdaptiveAvgPool2d)
# Each channel by itself; what comes out of one is that of the same unit.
APART = (*POINTWISE, *POOLS, nn.BatchNorm2d, nn.BatchNorm1d, nn.Flatten, nn.ZeroPad2d, nn.Dropout)
APART_CALLS = {
    *(torch.relu, F.relu, F.relu6, F.leaky_relu, F.elu, F.gelu, F.silu, F.hardswish, F.softplus),
    *(torch.sigmoid, torch.tanh, F.sigmoid, F.tanh, F.dropout, F.dropout2d),
    *(F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.pad),
    *(torch.flatten, torch.mean, torch.clamp),
    *("relu", "relu_", "sigmoid", "tanh", "flatten", "view", "reshape", "mean", "contiguous"),
    *("clamp", "clone"),
}
# Never smaller where its input is larger, so that the strongest position stays the strongest.
RISING = (nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.Sigmoid, nn.Tanh, nn.ELU, nn.Softplus, nn.Hardtanh)
RISING_CALLS = {
    *(torch.relu, F.relu, F.relu6, F.leaky_relu, F.elu, F.softplus),
    *(torch.sigmoid, torch.tanh, F.sigmoid, F.tanh, torch.clamp),
    *("relu", "relu_", "sigmoid", "tanh", "clamp"),
}


@dataclass(frozen=True)
class Link:
    """An observed layer that drives the next.

    Attributes:
        source, target: names of the layers.
        weights: name of the convolution or linear map between them.
        norm: name of the batch norm after it, or "".
        averaged: name of the average pool over all positions after that, or "".
    """

    source: str
    target: str
    weights: str
    norm: str = ""
    averaged: str = ""

    @property
    def received(self) -> str:
        """Name of the part that puts out what the target receives, before its activation."""
        return self.averaged or self.norm or self.weights


@dataclass(frozen=True)
class Wiring:
    """The links of a network, and a sentence for every two layers without one."""

    links: tuple[Link, ...]
    gaps: tuple[str, ...]


class _NoLinkError(Exception):
    """Why two layers are not linked, in words."""


def wiring_of(model: nn.Module, layers: Sequence[str]) -> Wiring:
    """How each observed layer drives the next.

    Args:
        model: in eval mode.
        layers: names of the observed ones, in order.
    """
    graph = traced(model)
    if not isinstance(graph, fx.GraphModule):
        told = "the steps of this network cannot be read, so no edges are drawn"
        return Wiring((), (told,) if len(layers) > 1 else ())
    ends = {layer: _end(graph, layer) for layer in layers}
    links, gaps = [], []
    for source, target in pairwise(layers):
        try:
            links.append(_link(graph, (source, ends[source]), (target, ends[target])))
        except _NoLinkError as why:
            gaps.append(f"no edges are drawn from {source} to {target}: {why}")
    return Wiring(tuple(links), tuple(gaps))


def _end(graph: fx.GraphModule, layer: str) -> fx.Node | None:
    """The last step inside a layer stands for its output; None of one that runs several times."""
    inside = [
        node
        for node in graph.graph.nodes
        if any(
            f"{name}.".startswith(f"{layer}.")
            for name in (*node.meta.get("nn_module_stack", {}), _target(node))
        )
    ]
    modules = [node.target for node in inside if node.op == "call_module"]
    return inside[-1] if inside and len(set(modules)) == len(modules) else None


def _link(
    graph: fx.GraphModule, source: tuple[str, fx.Node | None], target: tuple[str, fx.Node | None]
) -> Link:
    if source[1] is None or target[1] is None:
        raise _NoLinkError("one of them is no part that runs once")
    chain = _chain(source[1], target[1])
    weights = [node for node in chain if _is_weights(graph, node)]
    if len(weights) != 1:
        found = f"there are {len(weights)}" if weights else "there is none"
        raise _NoLinkError(f"one convolution or linear map has to lie between, and {found}")
    at = chain.index(weights[0])
    for node in chain[:at]:
        if not (isinstance(_module(graph, node), APART) or _call(node) in APART_CALLS):
            raise _NoLinkError(f"'{_target(node) or node.name}' mixes units")
    _require_plain(graph, weights[0])
    after = chain[at + 1 :]
    norm = averaged = ""
    if after and isinstance(_module(graph, after[0]), (nn.BatchNorm2d, nn.BatchNorm1d)):
        norm = str(after.pop(0).target)
    if after and isinstance(_module(graph, after[0]), (nn.AvgPool2d, nn.AdaptiveAvgPool2d)):
        averaged = str(after.pop(0).target)
    for node in after:
        kept = isinstance(_module(graph, node), (nn.Flatten, nn.Dropout, nn.Identity))
        if not (kept or isinstance(_module(graph, node), RISING) or _call(node) in RISING_CALLS):
            raise _NoLinkError(f"'{_target(node) or node.name}' follows the weights")
    return Link(source[0], target[0], str(weights[0].target), norm, averaged)


def _chain(source: fx.Node, target: fx.Node) -> list[fx.Node]:
    """The steps after `source` up to `target`, of which each takes nothing but the one before."""
    chain: list[fx.Node] = []
    node = target
    while node is not source:
        before = node.all_input_nodes
        if len(before) != 1 or node.op == "placeholder":
            raise _NoLinkError("it is not driven by that layer alone")
        chain.insert(0, node)
        node = before[0]
    return chain


def _require_plain(graph: fx.GraphModule, node: fx.Node) -> None:
    """Every unit sees every unit before it, and nothing is made up beyond the image but zeros."""
    module = _module(graph, node)
    if isinstance(module, nn.Conv2d) and (module.groups > 1 or module.padding_mode != "zeros"):
        raise _NoLinkError(f"'{node.target}' is a grouped convolution")
    if sum(other.target == node.target for other in graph.graph.nodes) > 1:
        raise _NoLinkError(f"'{node.target}' runs several times")


def _is_weights(graph: fx.GraphModule, node: fx.Node) -> bool:
    return isinstance(_module(graph, node), (nn.Conv2d, nn.Linear))


def _module(graph: fx.GraphModule, node: fx.Node) -> nn.Module | None:
    return graph.get_submodule(str(node.target)) if node.op == "call_module" else None


def _target(node: fx.Node) -> str:
    return str(node.target) if node.op == "call_module" else ""


def _call(node: fx.Node) -> object:
    return node.target if node.op in ("call_function", "call_method") else None
