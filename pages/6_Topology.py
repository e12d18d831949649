"""Topology: the shape of a layer's answers, as a graph of clusters of alike images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.figures.topology.curve import neighbour_curve
from ndcore.topology.document import graph_document
from ndcore.topology.space import elbow
from pages.ui.elements.csv_button import folded_table
from pages.ui.elements.download import download
from pages.ui.elements.pick_several import pick_several
from pages.ui.elements.side_by_side import side_by_side
from pages.ui.frame.link import tabs
from pages.ui.frame.page import setup
from pages.ui.frame.pair import current_pair
from pages.ui.frame.words import plain
from pages.ui.images.example import offer_example
from pages.ui.topology.attacked import attacked_panel, attacked_words
from pages.ui.topology.branch_points import branches_panel
from pages.ui.topology.graphs import (
    BESIDE_HEIGHT,
    HEIGHT,
    LEAST_SIDE,
    Made,
    attacked_share,
    draw,
    follow_node,
    linked,
    make,
)
from pages.ui.topology.node import node_panel
from pages.ui.topology.pair import lay_pair
from pages.ui.topology.settings import View, choose_positions, choose_view
from pages.ui.topology.stability import known_stability, stability_panel
from pages.ui.topology.vectors import (
    Wanted,
    choose_images,
    missing_words,
    open_vectors,
    sources_for,
)

MOST_LAYERS = 3
CHOICES_WIDTH = 290
STYLE = (
    "<style>[data-testid=stLayoutWrapper]:has(>.st-key-shape)"
    "{flex:1 1 560px;min-width:min(100%,560px)}</style>"
)


def choose_layers(bundle: Bundle) -> list[str]:
    """Up to three layers, drawn side by side."""
    usual = bundle.layers[-2:][:1]
    layers = pick_several(
        "**Layers**",
        bundle.layers,
        default=usual,
        key="topology_layers",
        most=MOST_LAYERS,
        format_func=plain,
    )
    if len(layers) > MOST_LAYERS:
        st.caption(f"The first {MOST_LAYERS} of them are drawn.")
    return layers[:MOST_LAYERS]


def graphs(bundle: Bundle, made: Sequence[Made], view: View, positions: str) -> None:
    """The graphs with the pair, and the images of the chosen node in all of them."""
    stable = known_stability(made)
    pair = current_pair(bundle)
    chosen = next((each for each in made if each.node() >= 0), None)
    grid = side_by_side("topology_graphs", LEAST_SIDE)
    words = st.container()
    for each in made:
        with words:
            laid = lay_pair(bundle, each, view, positions, pair)
            if told := attacked_words(each):
                st.caption(told)
        if chosen is not None and chosen is not each:
            keys = chosen.opened.space.keys[chosen.graph.nodes[chosen.node()]]
            laid = replace(laid, linked=linked(each, keys))
        height = HEIGHT if len(made) == 1 else BESIDE_HEIGHT
        draw(bundle, each, view, laid, stable.get(each.layer), grid.container(), height=height)
    with words:
        st.caption(
            "A dot is a cluster of images that the layer answers alike; the larger, the more "
            "images (logarithm). A line joins two clusters with images in common; the wider, the "
            "larger their share. "
            + (
                "The colour is the commonest class, fainter where a cluster is mixed. "
                if view.colour == "class"
                else ""
            )
            + "Click a dot to look into it."
        )


def below(bundle: Bundle, made: Sequence[Made], view: View) -> None:
    """The chosen cluster, and what can be asked of the graph."""
    for each in made:
        node_panel(bundle, each)
    of_one = {
        "Attacked images": partial(attacked_panel, bundle),
        "Epsilon": partial(curve, view=view),
        "Numbers": partial(numbers, bundle, view=view),
    }
    draw_tabs = ("Where classes part", "Attacked images", "Stability", "Epsilon", "Numbers")
    for tab, name in zip(tabs(draw_tabs, key="topology_tab"), draw_tabs, strict=True):
        if not tab.open:
            continue
        with tab:
            if name == "Stability":
                stability_panel(made)
            elif name == "Where classes part":
                branches_panel(bundle, made[0], current_pair(bundle))
            else:
                for each in made:
                    if len(made) > 1:
                        st.subheader(plain(each.layer))
                    of_one[name](each)


def curve(made: Made, view: View) -> None:
    """Where epsilon is read off."""
    space, neighbours = made.opened.space, view.min_samples
    found = space.curve(neighbours)
    st.plotly_chart(
        neighbour_curve(
            found,
            epsilon=made.graph.settings.epsilon,
            bend=elbow(found),
            neighbours=neighbours,
        ),
        key=f"curve_{made.layer}",
    )
    st.caption(
        f"{space.bend(view.min_samples, view.share):.0%} of the vectors have {neighbours}, their "
        f"own among them, within epsilon {made.graph.settings.epsilon:.4g}."
    )


def numbers(bundle: Bundle, made: Made, view: View) -> None:
    """Nodes and edges as tables, and the graph as a document."""
    graph, facts = made.graph, made.facts
    nodes = pd.DataFrame(
        {
            "cluster": range(len(graph.nodes)),
            "images": facts.sizes,
            "commonest class": [bundle.classes[label] for label in facts.majority],
            "purity": facts.purity,
            "error": facts.error,
            "mean length": facts.norm,
            "divergence": facts.divergence,
            "attacked share": attacked_share(made),
        }
    )
    edges = pd.DataFrame(
        {
            "from": graph.edges[:, 0],
            "to": graph.edges[:, 1],
            "images in both": graph.shared,
            "Jaccard": graph.jaccard,
        }
    )
    stable = known_stability([made]).get(made.layer)
    if stable is not None:
        edges["stability"] = stable.share
    name = f"{bundle.name}-{made.layer}"
    folded_table("clusters", lambda: nodes, f"{name}-clusters.csv", f"nodes_{made.layer}")
    folded_table("edges", lambda: edges, f"{name}-edges.csv", f"edges_{made.layer}")
    document = partial(
        graph_document, made.opened.space, graph, facts, bundle.classes, view.lens, stable
    )
    download(
        "The graph as JSON",
        lambda: json.dumps({"bundle": bundle.name, "layer": made.layer} | document(), indent=1),
        f"{name}-graph.json",
        key=f"json_{made.layer}",
    )


def main() -> None:
    """Lay out the page."""
    bundle = setup("Topology")
    if bundle is None:
        return
    st.title("Topology")
    st.caption(
        "The shape of what a layer says of many images: alike ones are a cluster, and clusters "
        "with images in common are joined (a mapper graph, after TopoAct)."
    )
    if bundle.limit or not bundle.layers:
        st.info(bundle.limit or "This bundle observes no layer, so there is no shape to look at.")
        return
    offer_example(bundle)
    st.html(STYLE)
    halves = st.container(horizontal=True, gap="medium")
    shape, choices = halves.container(key="shape"), halves.container(width=CHOICES_WIDTH)
    with choices:
        layers = choose_layers(bundle)
        if not layers:
            shape.info("Choose a layer to see its shape.")
            return
        convolution = any("max" in bundle.reductions(layer) for layer in layers)
        positions = choose_positions(convolution)
        row = st.container(horizontal=True, vertical_alignment="bottom")
        found = choose_images(bundle, sources_for(bundle, layers, positions), row)
        if found is None:
            shape.info(missing_words(bundle))
            return
    with shape:
        opened = open_vectors(bundle, layers, Wanted(*found, positions))
    with choices:
        attacked = opened is not None and all(each.attacks is not None for each in opened)
        view = choose_view(bundle, attacked)
    if opened is None:
        return
    with shape:
        made = [each for one in opened if (each := make(bundle, one, view)) is not None]
        follow_node(made)
        if made:
            graphs(bundle, made, view, positions)
            below(bundle, made, view)


main()
