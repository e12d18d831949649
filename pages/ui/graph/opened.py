"""The concept graphs of a bundle as the page asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.analysis.mechanism.attacked_units import attack_difference as on_the_way
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import ConceptGraph, DifferenceGraph, Edge
from ndcore.concept_graph.drawing import Rule, edge_shares, node_of
from ndcore.concept_graph.measured import Measured
from ndcore.data.gallery_row import GalleryRow
from pages.ui.frame import loaders
from pages.ui.images.gallery import rows_here

MOST_ATTACKED = 100  # attacked images that are read for one graph


def attacks_of(bundle: Bundle) -> dict[int, tuple[int, ...]]:
    """Class -> classes that stored attacks on its images turn it into, the most frequent first."""
    found: dict[int, list[int]] = {}
    for row in rows_here(bundle):
        before, after = map(bundle.class_index, (row.predicted_before, row.predicted_after))
        found.setdefault(before, []).append(after)
    return {
        label: tuple(sorted(set(targets), key=lambda each: (-targets.count(each), each)))
        for label, targets in sorted(found.items())
    }


def class_graph(graphs: ClassGraphs, label: int, units: int) -> ConceptGraph:
    """The graph of a class with at most so many units of a layer."""
    return graphs.of_class(label, Rule(most=units))


def class_difference(
    bundle: Bundle, graphs: ClassGraphs, labels: tuple[int, int], kind: str, units: int
) -> DifferenceGraph:
    """A class less another; less its own attacked images where both are the same."""
    label, other = labels
    name = bundle.classes[label]
    second = bundle.classes[other], graphs.measured(other)
    if other == label:
        pixels = _images(bundle, label)[1]
        second = f"attacked images of {name}", graphs.of_images(pixels, label)
    return graphs.compared((name, graphs.measured(label)), second, kind, Rule(most=units))


def attack_difference(
    bundle: Bundle, graphs: ClassGraphs, labels: tuple[int, int], kind: str, units: int
) -> DifferenceGraph:
    """Attacked images of a class less the same images before, both on the way to the new class."""
    label, target = labels
    pairs = _images(bundle, label, target)
    return on_the_way(graphs, bundle.classes[label], pairs, target, kind, Rule(most=units))


def image_graph(
    graphs: ClassGraphs, pixels: NDArray[np.uint8], graph: ConceptGraph
) -> ConceptGraph:
    """What one image does with the units and edges of a class's graph."""
    found = graphs.of_images(pixels[None], graph.label)
    nodes = tuple(node_of(found, node.unit) for node in graph.nodes)
    return ConceptGraph(
        "", graph.label, graph.levels, nodes, _edges(found, graph.edges), np.nan, 1, 0
    )


def _edges(found: Measured, edges: Sequence[Edge]) -> tuple[Edge, ...]:
    shares = {target: edge_shares(found, each) for target, each in found.edges.items()}
    kept = []
    for edge in edges:
        at = (edge.target.unit, edge.source.unit)
        influence = float(found.edges[edge.target.layer].influence[at])
        kept.append(Edge(edge.source, edge.target, influence, float(shares[edge.target.layer][at])))
    return tuple(kept)


def _images(
    bundle: Bundle, label: int, target: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Stored attacks on a class, before and after, uint8 (n, H, W, C) each."""
    own = bundle.classes[label]
    wanted = None if target is None else bundle.classes[target]
    rows: list[GalleryRow] = [
        row
        for row in rows_here(bundle)
        if row.predicted_before == own and wanted in (None, row.predicted_after)
    ]
    find = loaders.find(bundle)
    pairs = [row.look_up(find).images for row in rows[:MOST_ATTACKED]]
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[-1] for pair in pairs])
