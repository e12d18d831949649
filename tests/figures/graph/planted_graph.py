"""Concept graphs whose every number is chosen."""

from __future__ import annotations

import math

from ndcore.concept_graph.graph import (
    COUNT,
    GRADIENT,
    INFLUENCE,
    Change,
    ConceptGraph,
    DifferenceGraph,
    Edge,
    EdgeChange,
    Level,
    Node,
    NodeChange,
    Unit,
)

LAYERS = ("conv", "dense", "logits")


def node(layer: str, unit: int, influence: float) -> Node:
    return Node(
        Unit(layer, unit), {INFLUENCE: influence, COUNT: influence / 2, GRADIENT: -3 * influence}
    )


def edge(
    source: tuple[str, int], target: tuple[str, int], influence: float, share: float, **more: float
) -> Edge:
    return Edge(Unit(*source), Unit(*target), influence, share, **({"stability": 1.0} | more))


def graph(name: str = "cat", label: int = 3) -> ConceptGraph:
    """Three units drive two, these the class; one edge lowers, one is not stable."""
    nodes = (
        node("conv", 4, 0.5),
        node("conv", 7, 0.3),
        node("conv", 1, 0.1),
        node("dense", 2, 0.6),
        node("dense", 9, 0.2),
        node("logits", label, 1.0),
    )
    edges = (
        edge(("dense", 2), ("logits", label), 0.6, 0.6),
        edge(("conv", 4), ("dense", 2), 0.5, 0.4),
        edge(("dense", 9), ("logits", label), -0.2, 0.2),
        edge(("conv", 7), ("dense", 2), -0.25, 0.15, stability=0.6),
        edge(("conv", 4), ("dense", 9), 0.3, 0.1, count=0.25),
        edge(("conv", 1), ("dense", 2), 0.05, 0.02),
        edge(("conv", 7), ("dense", 9), 0.04, 0.01),
    )
    levels = tuple(
        Level(layer, size, drawn, carried)
        for layer, size, drawn, carried in zip(
            LAYERS, (16, 12, 10), (3, 2, 1), (0.9, 0.8, 1.0), strict=True
        )
    )
    return ConceptGraph(name, label, levels, nodes, edges, carried=0.85, images=500, folds=10)


def difference(first: ConceptGraph, second: ConceptGraph) -> DifferenceGraph:
    """Differences of the influences and of the edges, clear where they are 0.1 or more."""

    def change(one: float, other: float) -> Change:
        return Change(one, other, 20 * (one - other) or math.nan)

    units = {each.unit: each for each in (*second.nodes, *first.nodes)}
    nodes = [
        NodeChange(each, change(*(_of(graph, unit) for graph in (first, second))))
        for unit, each in units.items()
    ]
    nodes.sort(key=lambda each: -abs(each.change.difference))
    others = {(each.source, each.target): each for each in second.edges}
    edges = [
        EdgeChange(each, change(each.influence, others[each.source, each.target].influence))
        for each in first.edges
        if (each.source, each.target) in others
    ]
    return DifferenceGraph(first, second, INFLUENCE, tuple(nodes), tuple(edges))


def _of(graph: ConceptGraph, unit: Unit) -> float:
    found = graph.node(unit)
    return found.influence if found else 0.0
