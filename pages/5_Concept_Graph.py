"""Concept Graph: which neurons carry a class, and which drive which."""

from __future__ import annotations

from functools import partial

import streamlit as st

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import ConceptGraph, Unit
from pages.ui.frame import loaders
from pages.ui.frame.page import setup
from pages.ui.frame.page_list import GRAPH
from pages.ui.frame.pair import current_pair
from pages.ui.frame.words import command
from pages.ui.graph.carries import carries_elsewhere, carries_panel
from pages.ui.graph.carries_all import carries_all_panel
from pages.ui.graph.choices import ATTACK, Chosen, choose
from pages.ui.graph.exploits import exploits_panel
from pages.ui.graph.groups import name_groups
from pages.ui.graph.header import header
from pages.ui.graph.hold import hold_panel
from pages.ui.graph.made import made
from pages.ui.graph.opened import attacks_of
from pages.ui.graph.shown.details import details
from pages.ui.graph.shown.drawing import drawing
from pages.ui.graph.shown.drawn import Drawn
from pages.ui.graph.shown.numbers import numbers
from pages.ui.graph.shown.pinned import Pinned
from pages.ui.graph.standing import never_drawn, tell_standing
from pages.ui.graph.units import exists, explorer_button, ringed_units, told_rings
from pages.ui.images.graph_link import PIN


def main() -> None:
    """Lay out the page."""
    bundle = setup(GRAPH.name)
    if bundle is None:
        return
    st.title(GRAPH.name)
    graphs = loaders.class_graphs(bundle)
    if graphs is None:
        build = command("build", bundle.name, "--only", "graph")
        st.info(f"This bundle has no concept graph yet; {build} makes it.")
        return
    pair = current_pair(bundle)
    chosen = choose(bundle, pair, graphs.labels, attacks_of(bundle), graphs.kinds)
    ringed = ringed_units(bundle)
    drawn = made(bundle, graphs, chosen, pair, ringed)
    if drawn is None:
        return
    st.markdown(header(bundle, drawn, chosen))
    if ringed:
        never = never_drawn(graphs, chosen, ringed)
        place = told_rings(ringed, [unit.key for unit in drawn.scene.units], never)
        if never:
            explorer_button(bundle, ringed, drawn.labels, place)

    def below(units: tuple[Unit, ...]) -> None:
        details(drawn, units, loaders.find(bundle), partial(tell_standing, bundle, graphs, chosen))
        if units:
            explorer_button(bundle, units, drawn.labels)
            hold_panel(bundle, units, chosen.label, pair)

    drawing(Pinned("graph_canvas", PIN, partial(exists, bundle)), drawn, below)
    if chosen.grouped:
        name_groups(drawn.groups)
    tests(bundle, graphs, chosen, drawn)
    about = {"bundle": bundle.name, "weight_hash": bundle.weight_hash}
    numbers(f"{bundle.name}-graph", about, drawn)


def tests(bundle: Bundle, graphs: ClassGraphs, chosen: Chosen, drawn: Drawn) -> None:
    """Whether the drawing carries its class, or what attacks exploit brings it back."""
    if isinstance(drawn.graph, ConceptGraph):
        carries_panel(bundle, graphs, drawn.graph)
        carries_all_panel(bundle, graphs, chosen.units)
    else:
        attack = chosen.view == ATTACK
        if attack and chosen.other is not None:
            exploits_panel(bundle, graphs, chosen.label, chosen.other)
        what = "what attacks exploit" if attack else "a difference"
        carries_elsewhere(bundle, chosen.label, what)


main()
