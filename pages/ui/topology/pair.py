"""The current pair on a graph: where its images lie, and the way between them."""

from __future__ import annotations

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.topology.graph import Laid
from ndcore.legible.plurals import counted
from ndcore.topology.placing import Placed, place, way
from ndcore.topology.vectors import LayerVectors
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.words import plain, sentence
from pages.ui.images.pair_key import pair_key
from pages.ui.topology.graphs import Made
from pages.ui.topology.settings import View
from pages.ui.topology.vectors import Opened, pair_vectors

ROLES = ("benign", "attacked")


def lay_pair(bundle: Bundle, made: Made, view: View, positions: str, pair: Pair | None) -> Laid:
    """The pair's marks on a graph; what they are is said below it."""
    if pair is None or bundle.limit or not made.graph.nodes:
        return Laid(chosen=made.node())
    try:
        read = _read(pair_key(bundle, pair), made.opened.key, bundle, made.opened, positions, pair)
    except NeuralDivergenceError as error:
        st.info(sentence(f"the pair cannot be laid on the graph: {error}"))
        return Laid(chosen=made.node())
    placed = _placed(
        (pair_key(bundle, pair), made.opened.key, view.lens, made.graph.settings), made, read
    )
    beside = frozenset(role for role, nodes in zip(ROLES, placed.nodes, strict=False) if not nodes)
    where = [
        nodes or (int(near),) for nodes, near in zip(placed.nodes, placed.nearest, strict=True)
    ]
    path = way(made.graph, where[0], where[1]) if len(where) > 1 else ()
    _tell(made, placed, path, len(where) > 1)
    return Laid(
        chosen=made.node(),
        benign=where[0],
        attacked=where[1] if len(where) > 1 else (),
        path=path,
        beside=beside,
    )


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _read(
    pair: str, vectors: str, _bundle: Bundle, _opened: Opened, _positions: str, _pair: Pair
) -> LayerVectors:
    return pair_vectors(_bundle, _opened, _positions, _pair)


@st.cache_resource(max_entries=64, show_spinner=False)
@known_signature
def _placed(key: tuple[object, ...], _made: Made, _read: LayerVectors) -> Placed:
    space = _made.opened.space
    return place(_made.graph, space.wide, _read.wide, space.lens_of(_read, str(key[2])))


def _tell(made: Made, placed: Placed, path: tuple[int, ...], both: bool) -> None:
    told = [
        f"the {role} image lies in {_nodes(nodes)}"
        if nodes
        else f"the {role} image lies in no cluster; the nearest is {gap:.1f} epsilon away"
        for role, nodes, gap in zip(ROLES, placed.nodes, placed.distance, strict=False)
    ]
    if both and path:
        steps = len(path) - 1
        told.append(
            "both in the same cluster"
            if not steps
            else f"{counted(steps, 'step')} lie between them"
        )
    elif both:
        told.append("nothing joins the two places")
    st.caption(f"**The pair in {plain(made.layer)}**: {'; '.join(told)}.")


def _nodes(nodes: tuple[int, ...]) -> str:
    return f"cluster {' and '.join(map(str, nodes))}"
