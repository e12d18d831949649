"""The drawing of one class, set or image: which edges stay, how large and how wide things are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ndcore.concept_graph.graph import (
    COUNT,
    GRADIENT,
    HELD,
    INFLUENCE,
    ConceptGraph,
    Edge,
    Node,
    Unit,
)
from ndcore.figures.graph.scene import Entry, Scene, SceneEdge, SceneUnit, Told
from ndcore.figures.style.palette import cluster_colours

EDGES = 3  # drawn into each unit
MARKED = 12  # edges that an attack changed most
# What sizes tell, in words, of a class.
KINDS = {
    INFLUENCE: "share of the influence on {} that passes through it",
    COUNT: "share of images in which it is among the strongest of its layer",
    GRADIENT: "activation x gradient of the logit of {}",
    HELD: "drop of the logit of {} when it is held at its mean",
}
SHARES = (INFLUENCE, COUNT)  # in [0, 1]
_SHORT = {
    INFLUENCE: "influence",
    COUNT: "among the strongest",
    GRADIENT: "activation x gradient",
    HELD: "logit lost when held",
}
DASHED = Entry("dashed", "among the target's strongest in fewer than 9 of 10 parts of the images")


@dataclass(frozen=True)
class Look:
    """How a graph is drawn.

    Attributes:
        kind: importance that sizes tell.
        per_target: edges drawn into each unit, the strongest first.
        pictures: uint8 (h, w, C) of units that have one.
        groups: group of units that are in one, from 0.
        group_names: of the groups.
        marked: units to be ringed, with `marked_as` what they are in words.
    """

    kind: str = INFLUENCE
    per_target: int = EDGES
    pictures: Mapping[Unit, NDArray[np.uint8]] = field(default_factory=dict)
    groups: Mapping[Unit, int] = field(default_factory=dict)
    group_names: tuple[str, ...] = ()
    marked: frozenset[Unit] = frozenset()
    marked_as: str = ""

    @property
    def legend(self) -> list[Entry]:
        """What rings mean."""
        rings = [Entry("group", name, colour) for name, colour in self.group_looks]
        return [Entry("marked", self.marked_as), *rings] if self.marked else rings

    @property
    def group_looks(self) -> tuple[tuple[str, str], ...]:
        """Name and colour of each group."""
        colours = cluster_colours(len(self.group_names))
        return tuple(zip(self.group_names, colours, strict=True))


def class_scene(
    graph: ConceptGraph,
    look: Look,
    pair: tuple[ConceptGraph, ConceptGraph] | None = None,
) -> Scene:
    """The drawing of a class, with a pair of images over it on request.

    Args:
        graph: of the class or set.
        look: how it is drawn.
        pair: graphs of a benign image and of the attacked one.
    """
    columns = {level.layer: at for at, level in enumerate(graph.levels)}
    places = {node.unit: at for at, node in enumerate(graph.nodes)}
    size = sizes(
        [node.importance.get(look.kind, math.nan) for node in graph.nodes[: _before(graph)]]
    )
    edges = strongest(graph.edges, look.per_target, lambda edge: edge.share)
    marked = changed_most(edges, *pair) if pair else set()
    bars = _bars(pair) if pair else {}
    units = tuple(
        SceneUnit(
            key=key_of(node.unit),
            column=columns[node.unit.layer],
            name=name_of(node),
            size=size(node.importance.get(look.kind, math.nan)),
            told=(*told_of(node, graph.name), *_pair_told(node.unit, pair)),
            label=graph.name if _is_class(graph, node) else node.name,
            is_class=_is_class(graph, node),
            group=look.groups.get(node.unit, -1),
            marked=node.unit in look.marked,
            pair=bars.get(node.unit, (0.0, 0.0)) if pair else None,
        )
        for node in graph.nodes
    )
    drawn = scene_edges(edges, places, graph.folds, marked)
    legend = [
        Entry("size", f"size: {KINDS[look.kind].format(graph.name)}"),
        Entry("raises", "raises its target; the wider, the more of what runs into that layer"),
        Entry("lowers", "lowers its target"),
        *([DASHED] if any(not edge.stable for edge in edges) else []),
        *look.legend,
    ]
    if pair:
        legend += [
            Entry("pair", "influence in the benign and in the attacked image"),
            Entry("changed", "where more runs in the attacked image"),
        ]
    return Scene(
        subject=f"class {graph.name}",
        title=f"Concept graph of {graph.name}",
        columns=tuple(columns),
        units=units,
        edges=drawn,
        pictures=tuple(look.pictures.get(node.unit) for node in graph.nodes),
        groups=look.group_looks,
        legend=tuple(legend),
    )


def key_of(unit: Unit) -> str:
    """`layer:unit`, which names it in the link and on the canvas."""
    return f"{unit.layer}:{unit.unit}"


def unit_of(key: str) -> Unit | None:
    """The unit that a key names; None where it names none."""
    layer, _, number = key.rpartition(":")
    return Unit(layer, int(number)) if layer and number.isascii() and number.isdigit() else None


def name_of(node: Node) -> str:
    """What the unit is called, else its number."""
    return node.name or str(node.unit.unit)


def strongest(
    edges: Iterable[Edge], per_target: int, strength: Callable[[Edge], float]
) -> list[Edge]:
    """The strongest edges into every unit, and of every unit the strongest out of it.

    Args:
        edges: of a graph.
        per_target: how many are kept into each unit.
        strength: of an edge, larger is stronger.
    """
    ordered = sorted(edges, key=strength, reverse=True)
    into: dict[Unit, int] = defaultdict(int)
    left: set[Unit] = set()
    kept = []
    for edge in ordered:
        into[edge.target] += 1
        if into[edge.target] <= per_target or edge.source not in left:
            kept.append(edge)
        left.add(edge.source)
    return kept


def carried_by(edges: Sequence[Edge], every: Sequence[Edge]) -> float:
    """Share of what runs along all edges that runs along some; NaN where nothing runs."""
    whole = sum(edge.share for edge in every)
    return sum(edge.share for edge in edges) / whole if whole else math.nan


def sizes(values: Sequence[float]) -> Callable[[float], float]:
    """Of an importance the size, 0 to 1: its amount as a share of the greatest of `values`."""
    most = max((abs(value) for value in values if not math.isnan(value)), default=0.0) or 1.0
    return lambda value: 0.0 if math.isnan(value) else min(1.0, abs(value) / most)


def widths(edges: Sequence[Edge], strengths: Sequence[float]) -> dict[tuple[Unit, Unit], float]:
    """Of every edge the width, 0 to 1: its amount as a share of the greatest into its layer.

    So each step from layer to layer can be read by itself: into few units more runs along each.

    Args:
        edges: drawn.
        strengths: of them.
    """
    most: dict[str, float] = defaultdict(float)
    for edge, strength in zip(edges, strengths, strict=True):
        most[edge.target.layer] = max(most[edge.target.layer], abs(strength))
    return {
        (edge.source, edge.target): abs(strength) / (most[edge.target.layer] or 1.0)
        for edge, strength in zip(edges, strengths, strict=True)
    }


def short_words(kind: str, name: str) -> str:
    """What a kind of importance is called in a tip, of a class with this name."""
    return f"{_SHORT[kind]} on {name}" if kind == INFLUENCE else _SHORT[kind]


def told_of(node: Node, name: str) -> Told:
    """The importances of a unit in words, those for a class with this name."""
    return tuple(
        (short_words(kind, name), value_words(kind, node.importance[kind]))
        for kind in KINDS
        if kind in node.importance
    )


def value_words(kind: str, value: float) -> str:
    """`3.1%`, `+0.42`, or that it was not measured."""
    if math.isnan(value):
        return "not measured"
    return f"{100 * value:.1f}%" if kind in SHARES else f"{value:+.3g}"


def scene_edges(
    edges: Sequence[Edge],
    places: Mapping[Unit, int],
    folds: int,
    marked: Collection[tuple[Unit, Unit]],
) -> tuple[SceneEdge, ...]:
    """Edges of a graph as they are drawn, as wide as their share.

    Args:
        edges: to draw.
        places: where the units at their ends stand among those of the scene.
        folds: parts of the images.
        marked: ends of those that stand out.
    """
    width = widths(edges, [edge.share for edge in edges])
    return tuple(
        SceneEdge(
            source=places[edge.source],
            target=places[edge.target],
            weight=width[edge.source, edge.target],
            sign=-1 if edge.influence < 0 else 1,
            told=edge_told(edge, folds),
            stable=edge.stable,
            marked=(edge.source, edge.target) in marked,
        )
        for edge in edges
    )


def edge_told(edge: Edge, folds: int) -> Told:
    """The numbers of an edge in words."""
    found = [
        ("of what the target receives", f"{100 * edge.influence:+.1f}%"),
        ("of the class's influence", f"{100 * edge.share:.2f}%"),
    ]
    if folds and not math.isnan(edge.stability):
        found.append(("among its five strongest", f"{edge.stability * folds:.0f} of {folds} parts"))
    if not math.isnan(edge.count):
        found.append(("by images", f"{100 * edge.count:.0f}%"))
    return tuple(found)


def changed_most(
    edges: Iterable[Edge], benign: ConceptGraph, attacked: ConceptGraph, most: int = MARKED
) -> set[tuple[Unit, Unit]]:
    """Of some edges the ends of those along which more runs in the attacked image.

    Args:
        edges: that are drawn.
        benign, attacked: graphs of the two images.
        most: at most so many.
    """
    before, after = (
        {(edge.source, edge.target): edge.share for edge in graph.edges}
        for graph in (benign, attacked)
    )
    ends = {(edge.source, edge.target) for edge in edges}
    gain = {end: after.get(end, 0.0) - before.get(end, 0.0) for end in ends}
    grown = sorted((end for end in ends if gain[end] > 0), key=lambda end: -gain[end])
    return set(grown[:most])


def _before(graph: ConceptGraph) -> int:
    """How many nodes stand before the last level, whose influence is the whole by definition."""
    last = graph.levels[-1].layer if graph.levels else ""
    return sum(node.unit.layer != last for node in graph.nodes)


def _is_class(graph: ConceptGraph, node: Node) -> bool:
    return node.unit == Unit(graph.levels[-1].layer, graph.label)


def _bars(pair: tuple[ConceptGraph, ConceptGraph]) -> dict[Unit, tuple[float, float]]:
    """Influence in both images, as shares of the greatest before the last level."""
    before, after = (influences(graph) for graph in pair)
    last = {graph.levels[-1].layer for graph in pair}
    inner = [
        value
        for found in (before, after)
        for unit, value in found.items()
        if unit.layer not in last
    ]
    most = max(inner, default=0.0) or 1.0
    return {
        unit: (min(1.0, before.get(unit, 0.0) / most), min(1.0, after.get(unit, 0.0) / most))
        for unit in before.keys() | after.keys()
    }


def influences(graph: ConceptGraph) -> dict[Unit, float]:
    """Unit -> influence, of the drawn ones whose influence is known."""
    return {node.unit: node.influence for node in graph.nodes if not math.isnan(node.influence)}


def _pair_told(unit: Unit, pair: tuple[ConceptGraph, ConceptGraph] | None) -> Told:
    if pair is None:
        return ()
    found = []
    for graph, name in zip(pair, ("benign image", "attacked image"), strict=True):
        node = graph.node(unit)
        found.append(
            (f"influence, {name}", "little" if node is None else f"{100 * node.influence:.1f}%")
        )
    return tuple(found)
