"""The graph that was chosen, as it is drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.analysis.mechanism.attacked_units import attack_change
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import ConceptGraph, Unit
from ndcore.concept_graph.drawing import Rule, node_of
from ndcore.concept_graph.measured import Measured
from ndcore.data.pairs import Pair
from ndcore.data.pixels import image_key
from ndcore.figures.graph.class_scene import Look, class_scene
from ndcore.figures.graph.compared_scenes import attack_scene, difference_scene
from ndcore.figures.graph.scene import Scene, pack_scene
from pages.ui.frame.known_signature import known_signature
from pages.ui.graph.choices import ATTACK, CLASS, Chosen
from pages.ui.graph.groups import group_names, groups_of
from pages.ui.graph.image_sets import measured_sets
from pages.ui.graph.opened import attacked_images, image_graph
from pages.ui.graph.shown.drawn import Drawn, linked_names, nodes_of, with_names
from pages.ui.graph.shown.tables import Graph
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
) -> Drawn | None:
    """The chosen graph with its drawing; None while images of it are measured, which is shown.

    Args:
        bundle, graphs: on show.
        chosen: by the controls.
        pair: the current one, to be drawn over the class where that was chosen.
        ringed: units that are ringed.
    """
    label, sets = _sets(bundle, chosen, pair)
    found = measured_sets(bundle, graphs, label, sets) if sets else []
    if sets and not found:
        if chosen.view != CLASS:
            return None
        sets = []  # the class itself is there meanwhile
    images = tuple(image_key(bundle.weight_hash, pixels) for pixels in sets)
    whose = (bundle.weight_hash, graphs.stamp)
    asked = _asked((*whose, _of_graph(chosen), images), bundle, graphs, found)
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
        (*whose, chosen, images, tuple(names.items()), look.group_names, tuple(ringed)),
        asked,
        chosen,
        names,
        look,
    )
    labels = (chosen.label,) if chosen.other is None else (chosen.label, chosen.other)
    return Drawn(graph, scene, packed, labels, asked.pictures, groups, look.group_names)


def _of_graph(chosen: Chosen) -> Chosen:
    """The choice without what only its drawing hangs on; a class has all importances."""
    kind = "" if chosen.view == CLASS else chosen.kind
    return replace(chosen, kind=kind, per_target=0, with_pair=False, grouped=False)


def _sets(bundle: Bundle, chosen: Chosen, pair: Pair | None) -> tuple[int, list[NDArray[np.uint8]]]:
    """Images, (n, H, W, C) each, that the choice is about beside the classes; whose logit is told.

    Both images of the pair; or those that attacks made of a class, after those from before where
    the attack itself is shown.
    """
    label, other = chosen.label, chosen.other
    if chosen.view == CLASS:
        return label, [each[None] for each in pair.images] if pair and chosen.with_pair else []
    if chosen.view == ATTACK and other is not None:
        return other, list(attacked_images(bundle, label, other))
    return label, [attacked_images(bundle, label)[1]] if other == label else []


@st.cache_resource(max_entries=KEPT, show_spinner="Reading the graph …")
@known_signature
def _asked(
    key: tuple[object, ...], _bundle: Bundle, _graphs: ClassGraphs, _found: list[Measured]
) -> _Asked:
    chosen = cast(Chosen, key[2])
    label, other, rule = chosen.label, chosen.other, Rule(most=chosen.units)
    own = _graphs.of_class(label, rule)
    if chosen.view == CLASS or other is None:
        pictures = unit_averages(_bundle, own.nodes, [label])
        if not _found:
            return _Asked(own, pictures)
        benign, attacked = (image_graph(each, own) for each in _found)
        return _Asked(own, pictures, (benign, attacked))
    name = _bundle.classes[label]
    if chosen.view != ATTACK:
        second = (_bundle.classes[other], _graphs.measured(other))
        if other == label:
            second = (f"attacked images of {name}", _found[0])
        compared = _graphs.compared((name, _graphs.measured(label)), second, chosen.kind, rule)
        return _Asked(compared, unit_averages(_bundle, nodes_of(compared), (label, other)))
    graph = attack_change(_graphs, name, (_found[0], _found[1]), chosen.kind, rule)
    towards = _graphs.of_class(other, rule)
    # What drives a unit is told by the classes: attacked images are in no source.
    known = _graphs.measured(other)
    nodes = [node_of(known, node.unit, _graphs.patches) for node in nodes_of(graph)]
    every = [*nodes, *own.nodes, *towards.nodes]
    return _Asked(graph, unit_averages(_bundle, every, (other, label)), (own, towards))


@st.cache_resource(max_entries=KEPT, show_spinner=False)
@known_signature
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
