"""The drawing, and below it what is said of the neuron or the edge that is kept."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ndcore.concept_graph import Unit
from ndcore.figures.graph.scene import with_pin
from pages.ui.components.graph.graph_view import graph_view
from pages.ui.graph.shown.drawn import Drawn, linked_names
from pages.ui.graph.shown.pinned import Pinned


def drawing(pinned: Pinned, drawn: Drawn, below: Callable[[tuple[Unit, ...]], None]) -> None:
    """The canvas; a click in it makes this part again, and not the whole page.

    Args:
        pinned: what is kept of it.
        drawn: to draw.
        below: draws what is said of the kept neuron, of both ends of the edge, or of nothing.
    """
    pinned.tell()
    _drawing(pinned, drawn, below)


@st.fragment
def _drawing(pinned: Pinned, drawn: Drawn, below: Callable[[tuple[Unit, ...]], None]) -> None:
    units = pinned.units()
    told = pinned.told()
    # As it stays the same after a click, it is not sent again.
    message = with_pin(drawn.packed, told.name, told.stamp)
    graph_view(message, key=pinned.canvas, on_pin=pinned.take)
    below(units)
    if any(linked_names([unit]).get(unit, "") != drawn.name(unit) for unit in units):
        st.rerun()  # a name was typed: it stands in the drawing too
