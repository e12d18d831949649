"""Where two classes part: nodes that hold both, between neighbours that hold the one or the other.

Rathore et al. 2021 find such bifurcations by eye; here they are ranked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ndcore.statistics.intervals import Rate
from ndcore.topology.mapper import MapperGraph
from ndcore.topology.nodes import NodeFacts


@dataclass(frozen=True)
class Branch:
    """A node from which a graph goes on to either class.

    Attributes:
        node: its number.
        share: of the first class among its images of the two.
        entropy: of that mix, 1 bit where both are equally frequent.
        towards: the neighbour with the largest and the one with the smallest such share.
        apart: the difference of those two shares, 1 where one has only the first and the other
            only the second class.
        score: entropy times `apart`; 0 to 1.
    """

    node: int
    share: Rate
    entropy: float
    towards: tuple[int, int]
    apart: float

    @property
    def score(self) -> float:
        """What they are ranked by."""
        return self.entropy * self.apart


def branches(graph: MapperGraph, facts: NodeFacts, first: int, second: int) -> list[Branch]:
    """Nodes with images of both classes and at least two neighbours that part, the best first.

    A neighbour on one side has more images of the first class, that on the other more of the
    second.
    """
    counts = facts.classes[:, [first, second]]
    both = counts.sum(1)
    with np.errstate(invalid="ignore"):
        shares = counts[:, 0] / both  # NaN where a node has neither
    joined = graph.joined()
    found = []
    for node in np.flatnonzero(counts.min(1) > 0).tolist():
        beside = joined.indices[joined.indptr[node] : joined.indptr[node + 1]]
        beside = np.sort(beside[both[beside] > 0])
        if len(beside) < 2:
            continue
        high, low = (int(beside[pick(shares[beside])]) for pick in (np.argmax, np.argmin))
        if shares[high] <= 0.5 or shares[low] >= 0.5:
            continue
        p = float(shares[node])
        entropy = -p * np.log2(p) - (1 - p) * np.log2(1 - p)
        rate = Rate(int(counts[node, 0]), int(both[node]))
        apart = float(shares[high] - shares[low])
        found.append(Branch(node, rate, float(entropy), (high, low), apart))
    return sorted(found, key=lambda each: (-each.score, each.node))
