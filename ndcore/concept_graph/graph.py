"""What a concept graph is made of, and its form in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

# Kinds of a node's importance, by the names that commands and links use.
INFLUENCE = "influence"  # of the class's influence, the share that passes through the unit
COUNT = "count"  # share of images in which it is among the strongest of its layer, as in Summit
GRADIENT = "gradient"  # mean of activation x gradient of the class's logit, summed over space
HELD = "causal"  # drop of the class's logit when the unit is held at its mean over all images
IMPORTANCE = (INFLUENCE, COUNT, GRADIENT, HELD)

STABLE = 0.9  # share of folds from which on an edge is drawn as a whole line
CLEAR = 2.0  # |z| from which on a difference is told


class Unit(NamedTuple):
    """One unit of one layer."""

    layer: str
    unit: int

    def to_dict(self) -> dict[str, Any]:
        """`{layer, unit}`."""
        return {"layer": self.layer, "unit": self.unit}


@dataclass(frozen=True)
class Patch:
    """A part of an image that drives a unit.

    Attributes:
        image: key of the image in its source.
        activation: of the unit there.
        box: pixels seen (top, left, bottom, right; ends exclusive), which may reach beyond the
            image; None where that is not known: the whole image.
    """

    image: str
    activation: float
    box: tuple[int, int, int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """`{image, activation, box}`."""
        box = None if self.box is None else list(self.box)
        return {"image": self.image, "activation": self.activation, "box": box}


@dataclass(frozen=True)
class Node:
    """A drawn unit.

    Attributes:
        unit: which.
        importance: kind -> value; a kind that was not measured is absent, what is undefined NaN.
            `influence` and `count` are in [0, 1], the others in units of the logit.
        patches: that drive it most among the class's images, strongest first.
        name: that somebody gave it.
    """

    unit: Unit
    importance: Mapping[str, float]
    patches: tuple[Patch, ...] = ()
    name: str = ""

    @property
    def influence(self) -> float:
        """Share of the class's influence that passes through it, 0 to 1."""
        return self.importance.get(INFLUENCE, math.nan)

    def to_dict(self, kind: str = INFLUENCE) -> dict[str, Any]:
        """`importance` is that of `kind`; all kinds are in `importances`."""
        return (
            self.unit.to_dict()
            | {"importance": plain(self.importance.get(kind, math.nan))}
            | {"importances": {each: plain(value) for each, value in self.importance.items()}}
            | ({"name": self.name} if self.name else {})
            | {"patches": [patch.to_dict() for patch in self.patches]}
        )


@dataclass(frozen=True)
class Edge:
    """A unit of one layer drives one of a later layer.

    Attributes:
        source, target: the units.
        influence: signed, in [-1, 1]: mean share of what the target receives.
        share: of the class's influence, what runs along this edge, in [0, 1].
        stability: share of the folds in which it is among the target's five strongest.
        count: share of images in which it is among the target's five strongest; NaN where that
            was not counted.
    """

    source: Unit
    target: Unit
    influence: float
    share: float
    stability: float = math.nan
    count: float = math.nan

    @property
    def stable(self) -> bool:
        """Whether it stays when the images are others; not told of a single image."""
        return math.isnan(self.stability) or self.stability >= STABLE

    def to_dict(self) -> dict[str, Any]:
        """`{from, to, influence, share, stability, count}`."""
        return {
            "from": self.source.to_dict(),
            "to": self.target.to_dict(),
            "influence": plain(self.influence),
            "share": plain(self.share),
            "stability": plain(self.stability),
            "count": plain(self.count),
        }


@dataclass(frozen=True)
class Level:
    """One observed layer.

    Attributes:
        layer: its name.
        units: it has.
        drawn: of them.
        carried: share of the class's influence on this layer that the drawn units carry; NaN where
            no influence is known.
    """

    layer: str
    units: int
    drawn: int
    carried: float

    def to_dict(self) -> dict[str, Any]:
        """`{layer, units, drawn, carried}`."""
        return {
            "layer": self.layer,
            "units": self.units,
            "drawn": self.drawn,
            "carried": plain(self.carried),
        }


@dataclass(frozen=True)
class ConceptGraph:
    """What of a network carries a class.

    Attributes:
        name: of the class, set or image.
        label: position of the class whose logit it starts from.
        levels: the observed layers in order.
        nodes: drawn units, by layer and then by falling influence.
        edges: between them, by falling share.
        carried: share of the class's influence that the drawing carries, in [0, 1]: the mean of
            the levels before the last.
        images: how many it was made from.
        folds: how many parts they fall into; 0 for a single image.
        gaps: layers between which there are no edges, a sentence each.
    """

    name: str
    label: int
    levels: tuple[Level, ...]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    carried: float
    images: int
    folds: int
    gaps: tuple[str, ...] = ()

    @property
    def units(self) -> int:
        """Of all layers, drawn or not."""
        return sum(level.units for level in self.levels)

    def node(self, unit: Unit) -> Node | None:
        """The drawn node of a unit."""
        return next((node for node in self.nodes if node.unit == unit), None)

    def to_dict(self, kind: str = INFLUENCE) -> dict[str, Any]:
        """For JSON; `kind` is the importance that nodes are told by."""
        return {
            "class": self.name,
            "images": self.images,
            "folds": self.folds,
            "carried": plain(self.carried),
            "importance": kind,
            "layers": [level.to_dict() for level in self.levels],
            "nodes": [node.to_dict(kind) for node in self.nodes],
            "edges": [edge.to_dict() for edge in self.edges],
            "gaps": list(self.gaps),
        }


@dataclass(frozen=True)
class Change:
    """A value in two graphs.

    Attributes:
        first, second: the value in each; NaN where it is not known.
        z: first - second over the standard error between folds; NaN where that is not known.
    """

    first: float
    second: float
    z: float

    @property
    def difference(self) -> float:
        """first - second."""
        return self.first - self.second

    @property
    def clear(self) -> bool:
        """More than what other images would give by chance."""
        return abs(self.z) >= CLEAR

    def to_dict(self) -> dict[str, Any]:
        """`{first, second, difference, z, clear}`."""
        return {
            "first": plain(self.first),
            "second": plain(self.second),
            "difference": plain(self.difference),
            "z": plain(self.z),
            "clear": self.clear,
        }


@dataclass(frozen=True)
class NodeChange:
    """How much more a unit counts for the first than for the second.

    Attributes:
        node: the unit; its importance and patches are those of the graph where it counts more.
        change: of the importance that is compared.
    """

    node: Node
    change: Change

    def to_dict(self) -> dict[str, Any]:
        """A node with its values in both; `importance` is the difference."""
        difference = {"importance": plain(self.change.difference)}
        return self.node.to_dict() | difference | self.change.to_dict()


@dataclass(frozen=True)
class EdgeChange:
    """How much more strongly a unit drives another for the first than for the second.

    Attributes:
        edge: as in the graph where more of the class's influence runs along it.
        change: of the signed influence.
    """

    edge: Edge
    change: Change

    def to_dict(self) -> dict[str, Any]:
        """An edge with its values in both; `influence` is the difference."""
        difference = {"influence": plain(self.change.difference)}
        return self.edge.to_dict() | difference | self.change.to_dict()


@dataclass(frozen=True)
class DifferenceGraph:
    """First graph less second.

    Attributes:
        first, second: what is compared, each by its own drawing rule.
        kind: importance by which nodes are compared.
        nodes: of both, by layer and then by falling |difference|.
        edges: of both, by falling |difference|.
    """

    first: ConceptGraph
    second: ConceptGraph
    kind: str
    nodes: tuple[NodeChange, ...]
    edges: tuple[EdgeChange, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `carried` is the smaller of the two graphs'."""
        carried = [graph.carried for graph in (self.first, self.second)]
        return {
            "class": self.first.name,
            "against": self.second.name,
            "images": [self.first.images, self.second.images],
            "folds": [self.first.folds, self.second.folds],
            "carried": plain(math.nan if any(map(math.isnan, carried)) else min(carried)),
            "importance": self.kind,
            "layers": [level.to_dict() for level in self.first.levels],
            "nodes": [node.to_dict() for node in self.nodes],
            "edges": [edge.to_dict() for edge in self.edges],
            "gaps": list(self.first.gaps),
        }


def plain(value: float) -> float | None:
    """A number for JSON; None for what is undefined."""
    return None if math.isnan(value) else float(value)
