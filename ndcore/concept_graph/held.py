"""How much of a class's logit hangs on a unit: what is lost when it is held at its mean.

One pass over the images for each unit, so this is asked of the few that are drawn, on a sample.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.concept_graph.faithful import Means, held_at_means
from ndcore.concept_graph.graph import HELD, ConceptGraph, Unit
from ndcore.networks.forward import forward, most_images
from ndcore.networks.stoppable import stoppable
from ndcore.steps import ShouldStop, in_parts


def held_drops(
    model: nn.Module,
    units: Sequence[Unit],
    label: int,
    means: Means,
    pixels: NDArray[np.uint8],
    *,
    on_pass: Callable[[int, int], None] | None = None,
    should_stop: ShouldStop = None,
) -> dict[Unit, NDArray[np.float64]]:
    """Drop of the class's logit when each unit, by itself, is held at its mean.

    Args:
        model: in eval mode.
        units: one after another.
        label: of the logit.
        means: layer -> (units,), mean activation over the images of all classes.
        pixels: uint8 (n, H, W, C), images of the class.
        on_pass: called with units done and in all.
        should_stop: asked before every function of torch.

    Returns:
        Unit -> (n,), the drop on each image; below 0 where the logit rises.

    Raises:
        StoppedError: `should_stop` said so.
    """

    def logits(held: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.float64]:
        with held_at_means(model, held, means):
            parts = in_parts(len(pixels), most_images(pixels.shape[1:]))
            found = [forward(model, pixels[part])[:, label].cpu().numpy() for part in parts]
        return np.concatenate(found).astype(np.float64)

    drops = {}
    with stoppable(should_stop):
        whole = logits({})
        for done, unit in enumerate(units):
            held = np.arange(len(means[unit.layer])) == unit.unit
            drops[unit] = whole - logits({unit.layer: held})
            if on_pass:
                on_pass(done + 1, len(units))
    return drops


def with_held(graph: ConceptGraph, drops: Mapping[Unit, NDArray[np.float64]]) -> ConceptGraph:
    """The graph whose nodes are told by their mean drop as well."""
    nodes = tuple(
        replace(node, importance={**node.importance, HELD: float(drops[node.unit].mean())})
        if node.unit in drops
        else node
        for node in graph.nodes
    )
    return replace(graph, nodes=nodes)
