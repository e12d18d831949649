"""The drawing, and below it what is said of the neuron or the edge that is kept."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.figures.graph.scene import with_pin
from pages.ui.components.graph.graph_view import graph_view
from pages.ui.graph.drawn import Drawn, linked_names
from pages.ui.graph.pin import kept_units, take_pin, told_pin

CANVAS = "graph_canvas"


@st.fragment
def drawing(bundle: Bundle, drawn: Drawn, below: Callable[[tuple[Unit, ...]], None]) -> None:
    """The canvas; a click in it makes this part again, and not the whole page.

    Args:
        bundle: on show.
        drawn: to draw.
        below: draws what is said of the kept neuron, of both ends of the edge, or of nothing.
    """
    units = kept_units(bundle)
    told = told_pin()
    # As it stays the same after a click, it is not sent again.
    message = with_pin(drawn.packed, told.name, told.stamp)
    graph_view(message, key=CANVAS, on_pin=lambda: take_pin(CANVAS))
    below(units)
    if any(linked_names([unit]).get(unit, "") != drawn.name(unit) for unit in units):
        st.rerun()  # a name was typed: it stands in the drawing too
