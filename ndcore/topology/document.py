"""A graph as one document: what the command line prints and the page gives to download."""

from __future__ import annotations

from typing import Any

from ndcore.concept_graph.graph import plain
from ndcore.topology.branches import Branch
from ndcore.topology.mapper import MapperGraph
from ndcore.topology.nodes import NodeFacts
from ndcore.topology.space import Space
from ndcore.topology.stability import Stability


def graph_document(
    space: Space,
    graph: MapperGraph,
    facts: NodeFacts,
    classes: tuple[str, ...],
    lens: str,
    stability: Stability | None = None,
) -> dict[str, Any]:
    """Parameters, nodes with the ids of their images, and edges.

    Args:
        space: what the graph was made of.
        graph, facts: of it.
        classes: names.
        lens: its name.
        stability: of the edges, where it was looked at.
    """
    nodes = []
    for node, members in enumerate(graph.nodes):
        low, high = graph.bounds[graph.interval[node]].tolist()
        counts = facts.classes[node]
        nodes.append(
            {
                "id": node,
                "images": space.keys[members].tolist(),
                "size": len(members),
                "classes": {classes[i]: int(counts[i]) for i in counts.nonzero()[0]},
                "purity": float(facts.purity[node]),
                "norm": float(facts.norm[node]),
                "divergence": plain(facts.divergence[node]),
                "error": float(facts.error[node]),
                "lens": [low, high],
            }
        )
    edges: list[dict[str, Any]] = [
        {"from": int(start), "to": int(end), "jaccard": float(part), "shared": int(shared)}
        for (start, end), part, shared in zip(graph.edges, graph.jaccard, graph.shared, strict=True)
    ]
    if stability is not None:
        for edge, share in zip(edges, stability.share, strict=True):
            edge["stability"] = float(share)
    settings = graph.settings
    return {
        "parameters": {
            "lens": lens,
            "intervals": settings.intervals,
            "overlap": settings.overlap,
            "epsilon": settings.epsilon,
            "min_samples": settings.min_samples,
        },
        "images": graph.count,
        "loose": graph.loose,
        "nodes": nodes,
        "edges": edges,
    }


def branch_document(branch: Branch) -> dict[str, Any]:
    """A branch point of two classes."""
    return {
        "node": branch.node,
        "share": branch.share.to_dict("first"),
        "entropy": branch.entropy,
        "towards": list(branch.towards),
        "apart": branch.apart,
        "score": branch.score,
    }
