"""Drawings of two graphs: their difference, and what an attack makes use of between two classes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from ndcore.concept_graph.differing import exploited
from ndcore.concept_graph.graph import ConceptGraph, DifferenceGraph, NodeChange, Unit
from ndcore.figures.graph.class_scene import (
    DASHED,
    SHARES,
    Look,
    influences,
    key_of,
    name_of,
    scene_edges,
    short_words,
    sizes,
    strongest,
    told_of,
    value_words,
    widths,
)
from ndcore.figures.graph.scene import Entry, Scene, SceneEdge, SceneUnit, Told

PER_LAYER = 15
PER_LANE = 5  # units of a layer in each lane


def difference_scene(graph: DifferenceGraph, look: Look, most: int = PER_LAYER) -> Scene:
    """What counts more for the first than for the second, or less.

    Args:
        graph: first less second.
        look: how it is drawn.
        most: units drawn of a layer, those that differ most.
    """
    columns = {level.layer: at for at, level in enumerate(graph.first.levels)}
    shown = _most_of_each(graph.nodes, most)
    places = {change.node.unit: at for at, change in enumerate(shown)}
    last = graph.first.levels[-1].layer if graph.first.levels else ""
    size = sizes([each.change.difference for each in shown if each.node.unit.layer != last])
    between = {
        (each.edge.source, each.edge.target): each
        for each in graph.edges
        if each.edge.source in places and each.edge.target in places
    }
    edges = strongest(
        (each.edge for each in between.values()),
        look.per_target,
        lambda edge: abs(between[edge.source, edge.target].change.difference),
    )
    width = widths(edges, [between[edge.source, edge.target].change.difference for edge in edges])
    names = (graph.first.name, graph.second.name)
    followed = short_words(graph.kind, _followed(graph.first, graph.second))
    units = tuple(
        SceneUnit(
            key=key_of(each.node.unit),
            column=columns[each.node.unit.layer],
            name=name_of(each.node),
            size=size(each.change.difference),
            told=_change_told(each, graph.kind, names, followed),
            label=_class_label(each.node.unit, (graph.first, graph.second)) or each.node.name,
            is_class=bool(_class_label(each.node.unit, (graph.first, graph.second))),
            group=look.groups.get(each.node.unit, -1),
            marked=each.node.unit in look.marked,
            sign=-1 if each.change.difference < 0 else 1,
            faint=not each.change.clear,
        )
        for each in shown
    )
    drawn = []
    for edge in edges:
        change = between[edge.source, edge.target].change
        drawn.append(
            SceneEdge(
                source=places[edge.source],
                target=places[edge.target],
                weight=width[edge.source, edge.target],
                sign=-1 if change.difference < 0 else 1,
                told=(
                    (names[0], f"{100 * change.first:+.1f}% of what the target receives"),
                    (names[1], f"{100 * change.second:+.1f}%"),
                    ("z", _z(change.z)),
                ),
                stable=edge.stable,
                faint=not change.clear,
            )
        )
    return Scene(
        subject=f"difference {names[0]} {names[1]}",
        title=f"Concept graph of {names[0]} less that of {names[1]}",
        columns=tuple(columns),
        units=units,
        edges=tuple(drawn),
        pictures=tuple(look.pictures.get(each.node.unit) for each in shown),
        groups=look.group_looks,
        legend=(
            Entry("size", f"size: how much its {followed} differs"),
            Entry("more", f"counts more for {names[0]}"),
            Entry("less", f"counts more for {names[1]}"),
            Entry("raises", f"raises its target more for {names[0]}"),
            Entry("lowers", f"more for {names[1]}"),
            Entry("faint", "within what other images would give: |z| under 2"),
            *([DASHED] if any(not edge.stable for edge in edges) else []),
            *look.legend,
        ),
    )


def attack_scene(
    source: ConceptGraph,
    target: ConceptGraph,
    difference: DifferenceGraph,
    look: Look,
    most: int = PER_LANE,
) -> Scene:
    """Units of the source class, of both, of the target class, and those that the attack exploits.

    Args:
        source, target: classes before and after the attack.
        difference: attacked images less benign ones of the source class.
        look: how it is drawn.
        most: units of a layer in each lane.

    Reference: Das et al. 2020, "Bluff: interactively deciphering adversarial attacks on deep
    neural networks".
    """
    attacked = difference.first
    columns = {level.layer: at for at, level in enumerate(attacked.levels)}
    used = set(exploited(difference))
    lanes = _lanes(source, target, used)
    changes = {each.node.unit: each for each in difference.nodes}
    # What the attack exploits may be in neither class's drawing.
    nodes = {unit: each.node for unit, each in changes.items()}
    nodes |= {node.unit: node for graph in (source, target, attacked) for node in graph.nodes}
    whose = {node.unit: graph.name for graph in (source, target) for node in graph.nodes}
    followed = short_words(difference.kind, target.name)
    strength = [influences(graph) for graph in (source, target, attacked)]
    strong = {unit: max(found.get(unit, 0.0) for found in strength) for unit in lanes}
    shown: list[Unit] = []
    for layer in columns:
        for lane in range(4):
            here = [unit for unit in lanes if unit.layer == layer and lanes[unit] == lane]
            shown += sorted(here, key=lambda unit: -strong[unit])[:most]
    places = {unit: at for at, unit in enumerate(shown)}
    last = attacked.levels[-1].layer if attacked.levels else ""
    size = sizes([strong[unit] for unit in shown if unit.layer != last])
    edges = strongest(
        (edge for edge in attacked.edges if edge.source in places and edge.target in places),
        look.per_target,
        lambda edge: edge.share,
    )
    units = tuple(
        SceneUnit(
            key=key_of(unit),
            column=columns[unit.layer],
            name=name_of(nodes[unit]),
            size=size(strong[unit]),
            told=_change_told(
                changes[unit], difference.kind, (attacked.name, difference.second.name), followed
            )
            if unit in changes
            else told_of(nodes[unit], whose.get(unit, target.name)),
            label=_class_label(unit, (source, target)) or nodes[unit].name,
            is_class=bool(_class_label(unit, (source, target))),
            band=lanes[unit],
            group=look.groups.get(unit, -1),
            marked=unit in look.marked,
        )
        for unit in shown
    )
    both = {
        (edge.source, edge.target) for edge in edges if edge.source in used and edge.target in used
    }
    drawn = scene_edges(edges, places, attacked.folds, both)
    return Scene(
        subject=f"attack {source.name} {target.name}",
        title=f"What the attack from {source.name} to {target.name} makes use of",
        columns=tuple(columns),
        units=units,
        edges=drawn,
        pictures=tuple(look.pictures.get(unit) for unit in shown),
        bands=(
            f"{source.name} alone",
            "both classes",
            f"{target.name} alone",
            "exploited by the attack",
        ),
        groups=look.group_looks,
        legend=(
            Entry(
                "size",
                f"size: influence on {source.name} or on {target.name}, whichever is greater",
            ),
            Entry("raises", "raises its target in attacked images"),
            Entry("lowers", "lowers it"),
            Entry("changed", "between two that the attack exploits"),
            *([DASHED] if any(not edge.stable for edge in edges) else []),
            *look.legend,
        ),
    )


def _lanes(source: ConceptGraph, target: ConceptGraph, used: Iterable[Unit]) -> dict[Unit, int]:
    """Lane of every unit of the two classes, and of those that the attack uses."""
    first, second = ({node.unit for node in graph.nodes} for graph in (source, target))
    lanes = {unit: 1 if unit in second else 0 for unit in first}
    lanes |= dict.fromkeys(second - first, 2)
    return lanes | dict.fromkeys(used, 3)


def _most_of_each(nodes: Sequence[NodeChange], most: int) -> list[NodeChange]:
    """The first of each layer, in the order given."""
    seen: dict[str, int] = defaultdict(int)
    kept = []
    for each in nodes:
        seen[each.node.unit.layer] += 1
        if seen[each.node.unit.layer] <= most:
            kept.append(each)
    return kept


def _followed(first: ConceptGraph, second: ConceptGraph) -> str:
    """The class whose logit two graphs are followed from: of two classes, of each its own."""
    return "its own class" if first.label != second.label else "the class"


def _change_told(each: NodeChange, kind: str, names: tuple[str, str], followed: str) -> Told:
    change = each.change
    difference = change.difference
    # As the two numbers beside it are told, so that they add up.
    points = round(100 * change.first, 1) - round(100 * change.second, 1)
    words = f"{points:+.1f} points" if kind in SHARES else f"{difference:+.3g}"
    return (
        ("compared", followed),
        (names[0], value_words(kind, change.first)),
        (names[1], value_words(kind, change.second)),
        ("difference", "not known" if math.isnan(difference) else words),
        ("z", _z(change.z)),
    )


def _z(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:+.1f}"


def _class_label(unit: Unit, graphs: Sequence[ConceptGraph]) -> str:
    for graph in graphs:
        if graph.levels and unit == Unit(graph.levels[-1].layer, graph.label):
            return graph.name
    return ""
