"""The way to units in the Concept Graph, from any page."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.figures.graph.class_scene import key_of
from pages.ui.frame.link import recall
from pages.ui.frame.page_list import GRAPH

PIN = "pin"  # in the link: the neuron or the edge that is kept
RINGED = "ringed"  # in the link: units that are ringed, such as those behind a verdict


def graph_button(
    bundle: Bundle, label: str, units: Sequence[Unit], of: Sequence[str], key: str
) -> None:
    """Opens the Concept Graph of a class with one unit kept, or with several ringed.

    Args:
        bundle: on show.
        label: of the button.
        units: at least one.
        of: names of classes; the first is drawn, none leaves it as it was.
        key: of the button.
    """
    if not st.button(label, icon=GRAPH.icon, key=key):
        return
    keys = [key_of(unit) for unit in units]
    link: dict[str, str | list[str]] = {"bundle": bundle.name, "graph_show": "class"}
    link |= {PIN: keys[0]} if len(keys) == 1 else {RINGED: keys}
    if of:
        link["graph_class"] = of[0]
    token = recall("pair")
    st.switch_page(GRAPH.path, query_params=link | ({"pair": token} if token else {}))
