"""What of a class is drawn: the few units and edges that carry most of its influence.

In each layer the units with the most influence, up to a share of the layer's and a number; of the
edges between them the strongest, up to a share of what all of these carry. What then hangs in the
air, a unit without an edge to the class or without one from before it, is left out.

Reference: thresholds of Ameisen et al. 2025, "Circuit tracing: revealing computational graphs in
language models".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.concept_graph.graph import (
    COUNT,
    INFLUENCE,
    ConceptGraph,
    Edge,
    Level,
    Node,
    Patch,
    Unit,
)
from ndcore.concept_graph.measured import Edges, Measured

PatchesOf = Callable[[Measured, Unit], tuple[Patch, ...]]


@dataclass(frozen=True)
class Rule:
    """How much is drawn.

    Attributes:
        nodes: share of a layer's influence up to which units are drawn.
        edges: share of what runs between them up to which edges are drawn.
        most: units of a layer at most.
    """

    nodes: float = 0.8
    edges: float = 0.98
    most: int = 15


USUAL = Rule()


def no_patches(_found: Measured, _unit: Unit) -> tuple[Patch, ...]:
    """For graphs of images that have no names."""
    return ()


def draw(
    found: Measured, name: str, rule: Rule = USUAL, patches: PatchesOf = no_patches
) -> ConceptGraph:
    """The graph of a class, set or image.

    Args:
        found: what is known of it.
        name: what it is called.
        rule: how much is drawn.
        patches: of a unit.
    """
    layers = list(found.units)
    drawn = {layer: chosen_units(found, layer, rule, last=layer == layers[-1]) for layer in layers}
    edges = _chosen_edges(found, drawn, rule)
    edges = _nothing_dangling(found, drawn, edges)
    nodes = tuple(
        node_of(found, Unit(layer, unit), patches) for layer in layers for unit in drawn[layer]
    )
    levels = tuple(_level(found, layer, drawn[layer]) for layer in layers)
    known = [level.carried for level in levels[:-1] if not math.isnan(level.carried)]
    return ConceptGraph(
        name=name,
        label=found.label,
        levels=levels,
        nodes=nodes,
        edges=tuple(sorted(edges, key=lambda edge: -edge.share)),
        carried=float(np.mean(known)) if known else math.nan,
        images=found.images,
        folds=found.folds,
        gaps=found.gaps,
    )


def node_of(found: Measured, unit: Unit, patches: PatchesOf = no_patches) -> Node:
    """A unit with everything that is known of it."""
    kinds = found.values[unit.layer]
    importance = {kind: float(each.value[unit.unit]) for kind, each in kinds.items()}
    return Node(unit, importance, patches(found, unit))


def chosen_units(found: Measured, layer: str, rule: Rule, *, last: bool = False) -> list[int]:
    """Units of a layer by falling influence; where none is known, by how often they are strong."""
    influence = found.values[layer][INFLUENCE].value
    if last and found.label < len(influence):
        return [found.label]
    if np.isnan(influence).all():
        influence = found.values[layer][COUNT].value
    order = np.argsort(-influence, kind="stable")
    order = order[influence[order] > 0]
    before = np.cumsum(influence[order]) - influence[order]
    needed = int((before < rule.nodes * influence.sum()).sum())
    few: list[int] = order[: min(needed, rule.most)].tolist()
    return few


def edge_shares(found: Measured, edges: Edges) -> NDArray[np.float64]:
    """Share of the class's influence that runs along each edge, (targets, k)."""
    has = found.values[edges.target][INFLUENCE].value
    per = np.divide(has, edges.whole, out=np.zeros(len(has)), where=edges.whole > 0)
    return np.abs(edges.influence) * per[:, None]


def edge_of(edges: Edges, target: int, column: int, share: float) -> Edge:
    """One edge with everything that is known of it."""
    at = (target, column)
    return Edge(
        source=Unit(edges.source, int(edges.sources[at])),
        target=Unit(edges.target, target),
        influence=float(edges.influence[at]),
        share=share,
        stability=float(edges.stability[at]),
        count=float(edges.count[at]),
    )


def _chosen_edges(found: Measured, drawn: dict[str, list[int]], rule: Rule) -> list[Edge]:
    kept = []
    for edges in found.edges.values():
        shares = edge_shares(found, edges)
        targets = np.array(drawn[edges.target], int)
        inside = np.isin(edges.sources[targets], drawn[edges.source]) & (shares[targets] > 0)
        rows, columns = np.nonzero(inside)
        there = shares[targets[rows], columns]
        order = np.argsort(-there, kind="stable")
        before = np.cumsum(there[order]) - there[order]
        for at in order[before < rule.edges * there.sum()].tolist():
            kept.append(edge_of(edges, int(targets[rows[at]]), int(columns[at]), float(there[at])))
    return kept


def _nothing_dangling(
    found: Measured, drawn: dict[str, list[int]], edges: list[Edge]
) -> list[Edge]:
    """Remove units from `drawn` that lead nowhere or come from nowhere, and their edges."""
    leads = {each.source for each in found.edges.values()}
    last = list(found.units)[-1]
    while True:
        sources = {edge.source for edge in edges}
        targets = {edge.target for edge in edges}
        loose = {
            Unit(layer, unit)
            for layer, units in drawn.items()
            for unit in units
            if (layer in leads and Unit(layer, unit) not in sources)
            or (layer in found.edges and layer != last and Unit(layer, unit) not in targets)
        }
        if not loose:
            return edges
        for unit in loose:
            drawn[unit.layer].remove(unit.unit)
        edges = [edge for edge in edges if edge.source not in loose and edge.target not in loose]


def _level(found: Measured, layer: str, drawn: Sequence[int]) -> Level:
    influence = found.values[layer][INFLUENCE].value
    return Level(layer, found.units[layer], len(drawn), float(influence[list(drawn)].sum()))
