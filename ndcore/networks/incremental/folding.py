"""Batch norms folded into the convolutions before them."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ndcore.networks.incremental.sliding import NAMES
from ndcore.networks.incremental.tracing import traced


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
    _make_modules(graph)
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


def _make_modules(graph: fx.GraphModule) -> None:
    """Calls of `F.conv2d` with weights of the model become modules, as what is folded must be."""
    for number, node in enumerate(list(graph.graph.nodes)):
        if node.target is not F.conv2d:
            continue
        names = ("input", *NAMES[F.conv2d])
        given = dict(zip(names, node.args, strict=False)) | node.kwargs
        weight, bias = given["weight"], given.get("bias")
        held = [part for part in (weight, bias) if part is not None]
        if any(not isinstance(part, fx.Node) or part.op != "get_attr" for part in held):
            continue
        settings = {name: given[name] for name in names[3:] if name in given}
        if any(isinstance(value, fx.Node) for value in settings.values()):
            continue
        weights = [_attribute(graph, str(part.target)) for part in held]
        outputs, inputs, *kernel = weights[0].shape
        inputs *= settings.get("groups", 1)
        with torch.device("meta"):
            conv = nn.Conv2d(inputs, outputs, tuple(kernel), bias=bias is not None, **settings)
        for name, value in zip(("weight", "bias"), weights, strict=False):
            setattr(conv, name, nn.Parameter(value.detach(), requires_grad=False))
        graph.add_submodule(f"convolution_{number}", conv.eval())
        with graph.graph.inserting_before(node):
            called = graph.graph.call_module(f"convolution_{number}", (given["input"],))
        node.replace_all_uses_with(called)
        graph.graph.erase_node(node)


def _attribute(model: nn.Module, name: str) -> Any:
    owner, _, leaf = name.rpartition(".")
    return getattr(model.get_submodule(owner), leaf)


def _uses(graph: fx.GraphModule, target: Any) -> int:
    return sum(node.op == "call_module" and node.target == target for node in graph.graph.nodes)
