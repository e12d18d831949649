"""The drawing, and below it what is said of the neuron or the edge that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.figures.graph.class_scene import unit_of
from ndcore.figures.graph.scene import with_pin
from pages.ui.components.graph.graph_view import LONGEST, Pin, graph_view, parse_pin
from pages.ui.frame.graph_link import PIN
from pages.ui.frame.link import just_linked, recall, refuse, remember
from pages.ui.graph.drawn import Drawn, linked_names
from pages.ui.graph.units import exists

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


_STATE = "graph_pin"  # (as it is, as the browser was last told)


def pinned() -> Pin:
    """What is kept now."""
    state = st.session_state.get(_STATE)
    if state is None or just_linked(PIN):
        # Later than any stamp of a browser whose session a restarted server has forgotten.
        later = max(state[0].stamp + 1 if state else 0, time.time_ns() // 1_000_000)
        state = (Pin(recall(PIN)[:LONGEST], later),) * 2
        st.session_state[_STATE] = state
    pin: Pin = state[0]
    remember(PIN, pin.name)
    return pin


def told_pin() -> Pin:
    """What the browser was last told, once there is a `pinned`: its own clicks do not return."""
    pin: Pin = st.session_state[_STATE][1]
    return pin


def set_pin(name: str) -> None:
    """Keep a neuron or an edge from the server; the browser takes the newer stamp over."""
    pin = Pin(name, pinned().stamp + 1)
    st.session_state[_STATE] = (pin, pin)
    remember(PIN, name)


def take_pin(key: str) -> None:
    """Callback of the canvas: keep what the browser says."""
    pin = parse_pin(st.session_state[key]["pinned"])
    if pin is not None:
        st.session_state[_STATE] = (pin, told_pin())


def kept_units(bundle: Bundle) -> tuple[Unit, ...]:
    """The neuron that is kept, or the two ends of the edge; nothing where it makes no sense."""
    name = pinned().name
    single = unit_of(name)
    if single and exists(bundle, single):
        return (single,)
    ends = [unit_of(part) for part in name.split(">")]
    units = tuple(unit for unit in ends if unit and exists(bundle, unit))
    if name and (len(units) != 2 or len(ends) != 2):
        refuse("neuron", [name])
        set_pin("")
        return ()
    return units
