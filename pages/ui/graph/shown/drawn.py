"""What is on show: a graph, its drawing, and what goes with its units."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.concept_graph import ConceptGraph, DifferenceGraph, Node, Unit
from ndcore.figures.graph.class_scene import key_of
from ndcore.figures.graph.scene import Scene, SceneUnit
from pages.ui.frame.link import LONGEST_TEXT, just_linked, recall, remember
from pages.ui.graph.shown.tables import Graph


@dataclass(frozen=True)
class Drawn:
    """What is on show.

    Attributes:
        graph: of a class, or a difference; its nodes have the names that somebody gave them.
        scene: its drawing, and `packed` the same for the canvas.
        labels: classes that it is about.
        pictures: uint8 (h, w, C) of units that have one.
        groups: unit -> its group of alike ones.
        group_names: of the groups.
    """

    graph: Graph
    scene: Scene
    packed: bytes
    labels: tuple[int, ...]
    pictures: Mapping[Unit, NDArray[np.uint8]]
    groups: Mapping[Unit, int]
    group_names: tuple[str, ...]

    def node(self, unit: Unit) -> Node | None:
        """The node of a unit that is in the graph."""
        return next((node for node in nodes_of(self.graph) if node.unit == unit), None)

    def shown(self, unit: Unit) -> SceneUnit | None:
        """A unit as it is drawn; None where it is not."""
        key = key_of(unit)
        return next((each for each in self.scene.units if each.key == key), None)

    @property
    def classes(self) -> dict[Unit, str]:
        """Units that stand for a class -> that class."""
        drawn = {key_of(node.unit): node.unit for node in nodes_of(self.graph)}
        return {
            drawn[each.key]: each.label
            for each in self.scene.units
            if each.is_class and each.key in drawn
        }

    def name(self, unit: Unit) -> str:
        """What the unit is called; "" where it has no name."""
        return getattr(self.node(unit), "name", "")


def nodes_of(graph: Graph) -> list[Node]:
    """The nodes of a class's graph or of a difference."""
    if isinstance(graph, ConceptGraph):
        return list(graph.nodes)
    return [each.node for each in graph.nodes]


def name_key(unit: Unit) -> str:
    """The name in the link that holds a unit's name."""
    return f"name_{key_of(unit)}"


def typed(key: str, name: str) -> str:
    """A text whose box may be drawn later: as a link or the box's own key `key` has it."""
    kept = recall(name) if just_linked(name) else st.session_state.get(key, recall(name))
    return str(kept)[:LONGEST_TEXT].strip()


def linked_names(units: Iterable[Unit]) -> dict[Unit, str]:
    """Names that somebody gave to units; they stay in the link."""
    # A link or the session holds few names, and there are many units.
    held = {*st.query_params, *map(str, st.session_state)}
    found = {}
    for unit in units:
        name = name_key(unit)
        if not held.isdisjoint((name, f"kept_{name}", f"graph_{name}")):
            found[unit] = typed(f"graph_{name}", name)
    for unit, name in found.items():
        if name:
            remember(name_key(unit), name)
    return {unit: name for unit, name in found.items() if name}


def with_names(graph: Graph, names: Mapping[Unit, str]) -> Graph:
    """The same graph, its nodes with names."""

    def named(node: Node) -> Node:
        return replace(node, name=names.get(node.unit, node.name))

    if isinstance(graph, DifferenceGraph):
        nodes = tuple(replace(each, node=named(each.node)) for each in graph.nodes)
        return replace(graph, nodes=nodes)
    return replace(graph, nodes=tuple(map(named, graph.nodes)))
