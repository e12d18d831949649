"""The concept graphs of a bundle as the page asks for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import ConceptGraph, Edge
from ndcore.concept_graph.drawing import edge_shares, node_of
from ndcore.concept_graph.measured import Measured
from ndcore.data.gallery_row import GalleryRow
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.images.gallery import rows_here

MOST_ATTACKED = 100  # attacked images that are read for one graph


def attacks_of(bundle: Bundle) -> dict[int, tuple[int, ...]]:
    """Class -> classes that stored attacks on its images turn it into, the most frequent first."""
    found: dict[int, list[int]] = {}
    for row in rows_here(bundle):
        before, after = map(bundle.class_index, (row.predicted_before, row.predicted_after))
        found.setdefault(before, []).append(after)
    return {
        label: tuple(sorted(set(targets), key=lambda each: (-targets.count(each), each)))
        for label, targets in sorted(found.items())
    }


def image_graph(found: Measured, graph: ConceptGraph) -> ConceptGraph:
    """What one image, of which this is known, does with the units and edges of a class's graph."""
    nodes = tuple(node_of(found, node.unit) for node in graph.nodes)
    return ConceptGraph(
        "", graph.label, graph.levels, nodes, _edges(found, graph.edges), np.nan, 1, 0
    )


def _edges(found: Measured, edges: Sequence[Edge]) -> tuple[Edge, ...]:
    shares = {target: edge_shares(found, each) for target, each in found.edges.items()}
    kept = []
    for edge in edges:
        at = (edge.target.unit, edge.source.unit)
        influence = float(found.edges[edge.target.layer].influence[at])
        kept.append(Edge(edge.source, edge.target, influence, float(shares[edge.target.layer][at])))
    return tuple(kept)


def attacked_images(
    bundle: Bundle, label: int, target: int | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Stored attacks on a class, before and after, uint8 (n, H, W, C) each.

    Args:
        bundle: on show; has such attacks.
        label: of the class.
        target: what they turn it into; any where it is None.
    """
    own = bundle.classes[label]
    wanted = None if target is None else bundle.classes[target]
    rows = [
        row
        for row in rows_here(bundle)
        if row.predicted_before == own and wanted in (None, row.predicted_after)
    ][:MOST_ATTACKED]
    stored = bundle.manifest["files"]["gallery.json"]
    asked = (label, target, tuple(row.id for row in rows))
    return _looked_up(bundle.weight_hash, stored, asked, rows, bundle)


@st.cache_resource(max_entries=16, ttl=loaders.LOOK_AGAIN_S, show_spinner="Reading the images …")
@known_signature
def _looked_up(
    weight_hash: str, stored: str, asked: object, _rows: list[GalleryRow], _bundle: Bundle
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    find = loaders.find(_bundle)
    pairs = [row.look_up(find).images for row in _rows]
    return np.stack([pair[0] for pair in pairs]), np.stack([pair[-1] for pair in pairs])
