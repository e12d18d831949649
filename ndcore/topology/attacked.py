"""Attacked images on a graph that benign ones made: the clusters that they crowd into."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ndcore.statistics.intervals import Rate
from ndcore.topology.mapper import MapperGraph
from ndcore.topology.placing import Placed
from ndcore.topology.vectors import LayerVectors


@dataclass(frozen=True)
class Crowd:
    """A cluster with attacked images.

    Attributes:
        node: its number.
        benign: how many images made it.
        members: places of the attacked ones that lie in it.
        turned: class before, class after and how often, the most frequent first.
    """

    node: int
    benign: int
    members: tuple[int, ...]
    turned: tuple[tuple[int, int, int], ...]

    @property
    def share(self) -> float:
        """Attacked images among all of the cluster."""
        return len(self.members) / (len(self.members) + self.benign)

    def to_dict(self) -> dict[str, Any]:
        """`{node, benign, attacked, share}`."""
        attacked = len(self.members)
        return {
            "node": self.node,
            "benign": self.benign,
            "attacked": attacked,
            "share": self.share,
        }


def crowds(graph: MapperGraph, placed: Placed, attacks: LayerVectors) -> list[Crowd]:
    """Clusters with attacked images, those with the most first.

    Args:
        graph: of benign images.
        placed: the attacked ones on it.
        attacks: the same, with their classes.
    """
    inside: dict[int, list[int]] = {}
    for at, nodes in enumerate(placed.nodes):
        for node in nodes:
            inside.setdefault(node, []).append(at)
    found = []
    for node, members in inside.items():
        turned = Counter((int(attacks.labels[at]), int(attacks.predicted[at])) for at in members)
        told = tuple((*pair, count) for pair, count in turned.most_common())
        found.append(Crowd(node, len(graph.nodes[node]), tuple(members), told))
    return sorted(found, key=lambda each: (-len(each.members), -each.share, each.node))


def attacked_sentence(placed: Placed, new: Rate, layer: str) -> str:
    """How many attacked images lie in a cluster, beside how many benign ones do.

    Args:
        placed: attacked images.
        new: benign ones, see `share_of_new`.
        layer: its name.
    """
    count = len(placed.nodes)
    on = Rate(count - placed.beside, count)
    return (
        f"Of {count:,} attacked images {on.percent(0)} ({on.interval(0)}) lie in a cluster of "
        f"{layer}; of {new.n:,} benign ones, laid on the graph of the others, "
        f"{new.percent(0)} ({new.interval(0)})."
    )
