"""The graph of a layer: made once for the same vectors and settings, and drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.topology.colouring import Groups, Values, by_class, by_value
from ndcore.figures.topology.graph import Laid, Picture, graph_figure
from ndcore.legible.plurals import counted
from ndcore.topology.layout import layout
from ndcore.topology.mapper import MapperGraph, MapperSettings, mapper_graph
from ndcore.topology.nodes import NodeFacts, node_facts
from ndcore.topology.placing import Placed, place
from ndcore.topology.stability import Stability
from pages.ui.elements.clicked import clicked
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import recall, remember
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import plain, sentence
from pages.ui.topology.settings import View
from pages.ui.topology.vectors import Opened

NODE = "node"  # in the link: layer and number of the chosen node
COMMONEST = 3
HEIGHT, BESIDE_HEIGHT, LEAST_SIDE = 560, 420, "19rem"


@dataclass(frozen=True)
class Made:
    """A graph with what hangs on it alone.

    Attributes:
        opened: its vectors; key: tells the graph from others.
        graph, facts: of it; lens: (N,); places: (nodes, 2).
        attacked: the attacked images laid on it, None without any.
    """

    opened: Opened
    key: str
    graph: MapperGraph
    facts: NodeFacts
    lens: NDArray[np.float64]
    places: NDArray[np.float64]
    attacked: Placed | None

    @property
    def layer(self) -> str:
        """Its layer."""
        return self.opened.layer

    def node(self) -> int:
        """The node that the link or a click chose in this graph; -1 for none."""
        layer, _, number = recall(NODE).rpartition(":")
        if layer != self.layer or not number.isdigit() or int(number) >= len(self.graph.nodes):
            return -1
        return int(number)


def make(bundle: Bundle, opened: Opened, view: View) -> Made | None:
    """The graph by these settings; None where there is none, and why has been said."""
    try:
        settings = view.settings(opened.space)
        key = f"{opened.key} {view.lens} {settings}"
        return _made(key, opened, settings, view.lens, len(bundle.classes))
    except NeuralDivergenceError as error:
        st.error(sentence(error))
        return None


@st.cache_resource(max_entries=24, show_spinner="Making the graph …")
@known_signature
def _made(key: str, _opened: Opened, _settings: MapperSettings, _lens: str, _classes: int) -> Made:
    space = _opened.space
    values, lens = space.wide, space.lens(_lens)
    graph = mapper_graph(values, lens, _settings)
    attacked = None
    if _opened.attacks is not None:
        others = _opened.attacks
        attacked = place(graph, values, others.wide, space.lens_of(others, _lens))
    return Made(
        opened=_opened,
        key=key,
        graph=graph,
        facts=node_facts(space, graph, _classes),
        lens=lens,
        places=layout(graph, values, lens),
        attacked=attacked,
    )


def follow_node(made: Sequence[Made]) -> None:
    """The chosen node stays the one with the same images when the settings change."""
    held = st.session_state.get("topology_held")
    now = {each.layer: each for each in made}
    layer, _, _ = recall(NODE).rpartition(":")
    if held is not None and layer in now and held[0] == recall(NODE) and held[1] != now[layer].key:
        graph, members = now[layer].graph, held[2]
        if held[3] == now[layer].opened.key and graph.nodes:
            shared = np.array([len(np.intersect1d(each, members)) for each in graph.nodes])
            alike = shared / (graph.sizes + len(members) - shared)
            best = int(alike.argmax())
            remember(NODE, f"{layer}:{best}" if alike[best] > 0 else "")
        else:
            remember(NODE, "")
    chosen = now.get(recall(NODE).rpartition(":")[0])
    node = chosen.node() if chosen is not None else -1
    if chosen is None or node < 0:
        st.session_state.pop("topology_held", None)
        if recall(NODE):
            remember(NODE, "")
        return
    remember(NODE, f"{chosen.layer}:{node}")
    st.session_state["topology_held"] = (
        recall(NODE),
        chosen.key,
        chosen.graph.nodes[node],
        chosen.opened.key,
    )


def choose_node(layer: str, node: int) -> None:
    """Callback: a node is looked at."""
    remember(NODE, f"{layer}:{node}")
    st.session_state.pop("topology_held", None)


def cluster_buttons(made: Made, nodes: Sequence[int], key: str) -> None:
    """A button for each cluster of a ranked list, by which it is looked at."""
    row = st.container(horizontal=True, gap="small")
    for node in nodes:
        row.button(
            f"Cluster {node}",
            key=f"{key}_{node}",
            on_click=choose_node,
            args=(made.layer, node),
            type="primary" if node == made.node() else "secondary",
        )


def _take(key: str, layer: str) -> None:
    found = clicked(key)
    if found is not None:
        choose_node(layer, int(found[0]))


def linked(made: Made, keys: NDArray[np.str_]) -> NDArray[np.float64]:
    """Share of some images that each node of a graph has."""
    there = np.isin(made.opened.space.keys, keys)
    return np.array([there[each].sum() for each in made.graph.nodes]) / max(1, len(keys))


def draw(
    bundle: Bundle,
    made: Made,
    view: View,
    laid: Laid,
    stability: Stability | None,
    place_: DeltaGenerator,
    *,
    height: int,
) -> None:
    """One graph with its heading, so many CSS pixels high; a click on a node chooses it."""
    if not made.graph.nodes:
        place_.info(
            f"No cluster in {plain(made.layer)} with these settings: raise epsilon, or take fewer "
            "intervals."
        )
        return
    ink = page_ink()
    about = (made.key, bundle.classes, view, _laid_key(laid), ink, height)
    shares = None if stability is None else stability.share
    figure = _figure(
        about, None if shares is None else shares.tobytes(), bundle, made, laid, shares
    )
    key = f"topology_graph_{made.layer}"
    place_.plotly_chart(
        figure,
        key=key,
        on_select=lambda: _take(key, made.layer),
        selection_mode="points",
        config={"scrollZoom": True, "displayModeBar": False},
    )


def _laid_key(laid: Laid) -> tuple[object, ...]:
    """Tells what is laid on a graph from anything else."""
    images = None if laid.linked is None else laid.linked.tobytes()
    nodes = (tuple(laid.benign), tuple(laid.attacked), tuple(laid.path))
    return laid.chosen, images, nodes, tuple(sorted(laid.beside))


@st.cache_resource(max_entries=48, show_spinner=False)
@known_signature
def _figure(
    about: tuple[Any, ...],
    kept: bytes | None,
    _bundle: Bundle,
    _made: Made,
    _laid: Laid,
    _stable: NDArray[np.floating] | None,
) -> go.Figure:
    """The picture, drawn once for all who look at it; `kept` tells `_stable` from others."""
    graph, facts = _made.graph, _made.facts
    _, _, view, _, ink, height = about
    lit = np.ones(len(graph.nodes), np.bool_)
    if view.classes:
        wanted = {_bundle.class_index(name) for name in view.classes}
        lit = np.array([bool(wanted & set(few)) for few in facts.commonest(COMMONEST)])
    picture = Picture(
        places=_made.places,
        sizes=facts.sizes,
        edges=graph.edges,
        jaccard=graph.jaccard,
        tips=_tips(_bundle, _made),
        lit=lit,
        least=view.least,
        stable=_stable,
    )
    title = (
        f"{escape(_made.layer)}: {len(graph.nodes)} clusters of {graph.count - graph.loose:,} of "
        f"{graph.count:,} images"
    )
    colours = _colours(_bundle, _made, view)
    return kept_figure(graph_figure(picture, colours, _laid, title=title, ink=ink, height=height))


def attacked_share(made: Made) -> NDArray[np.float64]:
    """Attacked images among all of each node; NaN without any attacked image."""
    if made.attacked is None:
        return np.full(len(made.graph.nodes), np.nan)
    there = made.attacked.counts(len(made.graph.nodes))
    return np.asarray(there / (there + made.facts.sizes), np.float64)


def _colours(bundle: Bundle, made: Made, view: View) -> Groups | Values:
    facts = made.facts
    if view.colour == "class":
        return by_class(facts.majority, facts.purity, facts.sizes, bundle.classes)
    if view.colour == "attacked":
        return by_value("attacked", attacked_share(made))
    return by_value(view.colour, getattr(facts, view.colour))


def _tips(bundle: Bundle, made: Made) -> list[str]:
    facts, found = made.facts, []
    attacked = None if made.attacked is None else made.attacked.counts(len(made.graph.nodes))
    for node, few in enumerate(facts.commonest(COMMONEST)):
        size = int(facts.sizes[node])
        mix = ", ".join(
            f"{escape(bundle.classes[label][:30])} {facts.classes[node, label] / size:.0%}"
            for label in few
        )
        words = f"<b>{counted(size, 'image')}</b><br>{mix}"
        words += f"<br>{facts.error[node]:.0%} taken for a wrong class"
        words += f"<br>mean length {facts.norm[node]:.3g}"
        if np.isfinite(facts.divergence[node]):
            words += f", divergence {facts.divergence[node]:.3g}"
        if attacked is not None:
            words += f"<br>and {attacked[node]} attacked"
        found.append(words)
    return found
