"""The graph that was chosen, as it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import ConceptGraph, Unit
from ndcore.concept_graph.drawing import node_of
from ndcore.data.pairs import Pair
from ndcore.data.pixels import image_key
from ndcore.figures.graph.class_scene import Look, class_scene
from ndcore.figures.graph.compared_scenes import attack_scene, difference_scene
from ndcore.figures.graph.scene import Scene, pack_scene
from pages.ui.graph.choices import ATTACK, CLASS, Chosen
from pages.ui.graph.drawn import Drawn, linked_names, nodes_of, with_names
from pages.ui.graph.groups import group_names, groups_of
from pages.ui.graph.opened import (
    attack_difference,
    class_difference,
    class_graph,
    image_graph,
)
from pages.ui.graph.tables import Graph
from pages.ui.images.unit_averages import unit_averages

KEPT = 64  # drawings that a server remembers


@dataclass(frozen=True)
class _Asked:
    """What is drawn, before names and looks.

    Attributes:
        graph: of a class, or a difference.
        pictures: of all its units that have one.
        beside: of the classes before and after an attack, or of the benign and the attacked image.
    """

    graph: Graph
    pictures: Mapping[Unit, NDArray[np.uint8]]
    beside: tuple[ConceptGraph, ConceptGraph] | None = None


def made(
    bundle: Bundle,
    graphs: ClassGraphs,
    chosen: Chosen,
    pair: Pair | None,
    ringed: Sequence[Unit],
) -> Drawn:
    """The chosen graph with its drawing.

    Args:
        bundle, graphs: on show.
        chosen: by the controls.
        pair: the current one, to be drawn over the class where that was chosen.
        ringed: units that are ringed.
    """
    over = pair.images if pair is not None and chosen.with_pair else []
    images = tuple(image_key(bundle.weight_hash, pixels) for pixels in over)
    key = (bundle.weight_hash, graphs.stamp, chosen, images)
    asked = _asked(key, bundle, graphs, over)
    units = [node.unit for node in nodes_of(asked.graph)]
    names = linked_names(units)
    groups = groups_of(bundle, units) if chosen.grouped else {}
    look = Look(
        kind=chosen.kind,
        per_target=chosen.per_target,
        pictures=asked.pictures,
        groups=groups,
        group_names=group_names(groups),
        marked=frozenset(ringed),
        marked_as="neurons brought here",
    )
    graph, scene, packed = _drawn(
        (*key, tuple(names.items()), look.group_names, tuple(ringed)), asked, chosen, names, look
    )
    labels = (chosen.label,) if chosen.other is None else (chosen.label, chosen.other)
    return Drawn(graph, scene, packed, labels, asked.pictures, groups, look.group_names)


@st.cache_resource(max_entries=KEPT, show_spinner="Reading the graph …")
def _asked(
    key: tuple[object, ...],
    _bundle: Bundle,
    _graphs: ClassGraphs,
    _pixels: list[NDArray[np.uint8]],
) -> _Asked:
    chosen = cast(Chosen, key[2])
    own = class_graph(_graphs, chosen.label, chosen.units)
    if chosen.view == CLASS or chosen.other is None:
        pictures = unit_averages(_bundle, own.nodes, [chosen.label])
        if not _pixels:
            return _Asked(own, pictures)
        benign, attacked = (image_graph(_graphs, each, own) for each in _pixels)
        return _Asked(own, pictures, (benign, attacked))
    labels = (chosen.label, chosen.other)
    if chosen.view != ATTACK:
        graph = class_difference(_bundle, _graphs, labels, chosen.kind, chosen.units)
        return _Asked(graph, unit_averages(_bundle, nodes_of(graph), labels))
    graph = attack_difference(_bundle, _graphs, labels, chosen.kind, chosen.units)
    other = class_graph(_graphs, chosen.other, chosen.units)
    # What drives a unit is told by the classes: attacked images are in no source.
    known = _graphs.measured(chosen.other)
    nodes = [node_of(known, node.unit, _graphs.patches) for node in nodes_of(graph)]
    every = [*nodes, *own.nodes, *other.nodes]
    return _Asked(graph, unit_averages(_bundle, every, labels[::-1]), (own, other))


@st.cache_resource(max_entries=KEPT, show_spinner=False)
def _drawn(
    key: tuple[object, ...],
    _asked: _Asked,
    _chosen: Chosen,
    _names: Mapping[Unit, str],
    _look: Look,
) -> tuple[Graph, Scene, bytes]:
    graph = with_names(_asked.graph, _names)
    if isinstance(graph, ConceptGraph):
        scene = class_scene(graph, _look, _asked.beside)
    elif _chosen.view == ATTACK and _asked.beside is not None:
        scene = attack_scene(*_asked.beside, graph, _look)
    else:
        scene = difference_scene(graph, _look, _chosen.units)
    return graph, scene, pack_scene(scene)
