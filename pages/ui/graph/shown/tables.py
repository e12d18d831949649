"""The numbers behind a drawing as tables."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from ndcore.concept_graph.graph import INFLUENCE, ConceptGraph, DifferenceGraph, Edge, Node, Unit

Graph = ConceptGraph | DifferenceGraph
Classes = Mapping[Unit, str]  # units that stand for a class -> that class
NO_CLASSES: Classes = MappingProxyType({})
# What the columns say.
OF_NEURONS = {
    "influence": "share of the class's influence that passes through the neuron",
    "count": "share of images in which it is among the strongest of its layer",
    "gradient": "activation x gradient of the class's logit",
    "causal": "drop of the class's logit when the neuron is held at its mean",
}
OF_EDGES = {
    "influence": "of all that the target receives, what comes along this edge, with its sign",
    "share": "of the class's influence, what runs along this edge",
    "stability": "share of parts of the images in which it is among its target's five strongest",
    "count": "share of images in which it is",
}
OF_CHANGES = {
    "difference": "the first less the second",
    "z": "the difference over its standard error between parts of the images",
}


def unit_table(graph: Graph, classes: Classes = NO_CLASSES) -> pd.DataFrame:
    """One row per drawn unit: importance of every kind, or of the compared kind with its z."""
    rows = []

    def begun(node: Node) -> dict[str, object]:
        name = f"class {classes[node.unit]}" if node.unit in classes else node.name
        return {**node.unit._asdict(), "name": name}

    if isinstance(graph, ConceptGraph):
        for node in graph.nodes:
            rows.append(begun(node) | dict(node.importance))
    else:
        for each in graph.nodes:
            rows.append(begun(each.node) | _changed(graph, each.change))
    return pd.DataFrame(rows).rename(columns={"unit": "neuron"})


def edge_table(
    graph: Graph,
    classes: Classes = NO_CLASSES,
    into: Unit | None = None,
    out_of: Unit | None = None,
) -> pd.DataFrame:
    """One row per edge, the strongest first.

    Args:
        graph: drawn.
        classes: what units stand for, said beside their number.
        into, out_of: only edges that end, or begin, there.
    """
    rows: list[tuple[Edge, dict[str, object]]]
    if isinstance(graph, ConceptGraph):
        kinds = ("influence", "share", "stability", "count")
        rows = [(edge, {kind: getattr(edge, kind) for kind in kinds}) for edge in graph.edges]
    else:
        rows = [(each.edge, _changed(graph, each.change)) for each in graph.edges]
    kept = [
        _ends(edge, classes) | numbers
        for edge, numbers in rows
        if (into is None or edge.target == into) and (out_of is None or edge.source == out_of)
    ]
    return pd.DataFrame(kept)


def about_columns(frame: pd.DataFrame, known: Mapping[str, str], graph: Graph) -> dict[str, str]:
    """Column -> what it says, of those of a table whose head is not all there is to say.

    Args:
        frame: of the graph's neurons or edges.
        known: `OF_NEURONS` or `OF_EDGES`.
        graph: drawn; of two that are compared each has a column with its name.
    """
    if isinstance(graph, DifferenceGraph):
        kind = INFLUENCE if known is OF_EDGES else graph.kind
        known = dict.fromkeys((graph.first.name, graph.second.name), known[kind])
    return {name: words for name, words in {**known, **OF_CHANGES}.items() if name in frame}


def _ends(edge: Edge, classes: Classes) -> dict[str, object]:
    def told(unit: Unit) -> str:
        of = f" ({classes[unit]})" if unit in classes else ""
        return f"{unit.layer} · {unit.unit}{of}"

    return {"from": told(edge.source), "to": told(edge.target)}


def _changed(graph: DifferenceGraph, change: object) -> dict[str, object]:
    values = {name: getattr(change, name) for name in ("first", "second", "difference", "z")}
    return {graph.first.name: values.pop("first"), graph.second.name: values.pop("second")} | values
