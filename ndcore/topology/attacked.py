"""Attacked images on a graph that benign ones made: the clusters that they crowd into."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from ndcore.statistics.intervals import Rate
from ndcore.topology.mapper import MapperGraph
from ndcore.topology.placing import Placed, Yardstick
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


def attacked_sentence(placed: Placed, known: Yardstick, layer: str) -> str:
    """How many attacked images lie in a cluster, beside how many others do.

    Args:
        placed: attacked images.
        known: images that were not attacked.
        layer: its name.
    """
    return (
        f"Of {placed.inside.n:,} attacked images {_told(placed.inside)} lie in a cluster of "
        f"{layer}; of benign ones, laid on the graph of the others, {_told(known.right)} of "
        f"{known.right.n:,} that the network takes rightly, and {_told(known.wrong)} of "
        f"{known.wrong.n:,} that it errs on without an attack."
    )


def _told(rate: Rate) -> str:
    return f"{rate.percent(0)} ({rate.interval(0)})" if rate.n else "none"
