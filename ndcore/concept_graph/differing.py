"""What differs between two graphs, against what other images would make of it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.concept_graph.drawing import (
    USUAL,
    PatchesOf,
    Rule,
    draw,
    edge_of,
    edge_shares,
    no_patches,
    node_of,
)
from ndcore.concept_graph.graph import (
    IMPORTANCE,
    INFLUENCE,
    Change,
    DifferenceGraph,
    EdgeChange,
    NodeChange,
    Unit,
)
from ndcore.concept_graph.measured import Edges, Measured
from ndcore.errors import BadRequestError

PER_TARGET = 8  # edges into a unit


def difference(
    first: tuple[str, Measured],
    second: tuple[str, Measured],
    kind: str = INFLUENCE,
    rule: Rule = USUAL,
    patches: PatchesOf = no_patches,
) -> DifferenceGraph:
    """First less second: classes, benign and attacked images, or epochs of the same network.

    Units are those that either graph draws, and those of each layer that differ most.

    Args:
        first, second: name and what is known of each.
        kind: importance by which units are compared.
        rule: by which each is drawn.
        patches: of a unit.

    Raises:
        BadRequestError: the two have different units, or the importance was not measured.
    """
    (name, one), (other_name, two) = first, second
    if dict(one.units) != dict(two.units):
        raise BadRequestError("graphs of networks with other layers cannot be compared")
    if kind not in IMPORTANCE or any(
        kind not in found.values[next(iter(found.units))] for found in (one, two)
    ):
        raise BadRequestError(f"importance '{kind}' was not measured of both")
    graphs = draw(one, name, rule, patches), draw(two, other_name, rule, patches)
    drawn = {node.unit for graph in graphs for node in graph.nodes}
    nodes: list[NodeChange] = []
    for layer in one.units:
        values = [found.values[layer][kind] for found in (one, two)]
        gap = np.nan_to_num(values[0].value - values[1].value)
        most = np.argsort(-np.abs(gap), kind="stable")[: rule.most]
        units = {unit.unit for unit in drawn if unit.layer == layer} | set(
            most[gap[most] != 0].tolist()
        )
        z = _z(values[0].value, values[1].value, values[0].error, values[1].error)
        for unit in sorted(units, key=lambda each: -abs(gap[each])):
            more = one if gap[unit] >= 0 else two
            change = Change(
                float(values[0].value[unit]), float(values[1].value[unit]), float(z[unit])
            )
            nodes.append(NodeChange(node_of(more, Unit(layer, unit), patches), change))
    chosen = {
        layer: [n.node.unit.unit for n in nodes if n.node.unit.layer == layer]
        for layer in one.units
    }
    edges = [change for target in one.edges for change in _edges(one, two, target, chosen)]
    edges.sort(key=lambda each: -abs(each.change.difference))
    return DifferenceGraph(*graphs, kind, tuple(nodes), tuple(edges))


def exploited(difference: DifferenceGraph) -> list[Unit]:
    """Units that count clearly more for the first than for the second, the most first.

    Args:
        difference: attacked images less benign ones.
    """
    grown = [each for each in difference.nodes if each.change.clear and each.change.difference > 0]
    grown.sort(key=lambda each: -each.change.difference)
    return [each.node.unit for each in grown]


def _edges(
    one: Measured, two: Measured, target: str, chosen: dict[str, list[int]]
) -> list[EdgeChange]:
    edges = one.edges[target], two.edges[target]
    if not np.array_equal(edges[0].sources, edges[1].sources):
        edges = _aligned(edges[0], edges[1]), _aligned(edges[1], edges[0])
        if edges[0].sources.shape != edges[1].sources.shape:
            raise BadRequestError("these two graphs keep other edges")
    shares = edge_shares(one, edges[0]), edge_shares(two, edges[1])
    z = _z(edges[0].influence, edges[1].influence, edges[0].error, edges[1].error)
    gap = np.abs(edges[0].influence - edges[1].influence)
    found = []
    for unit in chosen[target]:
        inside = np.isin(edges[0].sources[unit], chosen[edges[0].source]) & (gap[unit] > 0)
        columns = np.flatnonzero(inside)
        columns = columns[np.argsort(-gap[unit, columns], kind="stable")][:PER_TARGET]
        for column in columns.tolist():
            at = (unit, column)
            more = 0 if shares[0][at] >= shares[1][at] else 1
            change = Change(
                float(edges[0].influence[at]), float(edges[1].influence[at]), float(z[at])
            )
            found.append(
                EdgeChange(edge_of(edges[more], unit, column, float(shares[more][at])), change)
            )
    return found


def _aligned(edges: Edges, like: Edges) -> Edges:
    """All sources cut down to those that the other keeps, where it keeps fewer."""
    if edges.sources.shape[1] <= like.sources.shape[1]:
        return edges
    where = like.sources  # columns of all sources are the sources

    def cut(values: NDArray[np.floating]) -> NDArray[np.floating]:
        return np.take_along_axis(values, where, 1)

    return Edges(
        edges.source,
        edges.target,
        where,
        cut(edges.influence),
        cut(edges.error),
        cut(edges.stability),
        cut(edges.count),
        edges.whole,
    )


def _z(
    one: NDArray[np.floating],
    two: NDArray[np.floating],
    error: NDArray[np.floating],
    other: NDArray[np.floating],
) -> NDArray[np.floating]:
    """NaN where nothing is known of chance."""
    spread = np.sqrt(error**2 + other**2)
    found: NDArray[np.floating] = np.full(one.shape, np.nan)
    np.divide(one - two, spread, out=found, where=spread > 0)
    return found
