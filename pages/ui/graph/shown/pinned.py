"""The neuron or the edge that is kept: by the link, by a click in the drawing, by the server."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from ndcore.concept_graph import Unit
from ndcore.figures.graph.class_scene import unit_of
from pages.ui.components.graph.graph_view import LONGEST, Pin, parse_pin
from pages.ui.frame.link import just_linked, recall, refuse, remember


@dataclass(frozen=True)
class Pinned:
    """What a drawing keeps.

    Attributes:
        canvas: key of the drawing.
        name: in the link.
        exists: whether the network has a unit.
    """

    canvas: str
    name: str
    exists: Callable[[Unit], bool]

    @property
    def _state(self) -> str:
        return f"graph_{self.name}"  # (as it is, as the browser was last told)

    def now(self) -> Pin:
        """What is kept now."""
        state = st.session_state.get(self._state)
        if state is None or just_linked(self.name):
            # Later than any stamp of a browser whose session a restarted server has forgotten.
            later = max(state[0].stamp + 1 if state else 0, time.time_ns() // 1_000_000)
            state = (Pin(recall(self.name)[:LONGEST], later),) * 2
            st.session_state[self._state] = state
        pin: Pin = state[0]
        remember(self.name, pin.name)
        return pin

    def told(self) -> Pin:
        """What the browser was last told, once there is a `now`: its own clicks do not return."""
        pin: Pin = st.session_state[self._state][1]
        return pin

    def tell(self) -> None:
        """The browser is told its own clicks too: it may have come back from another page."""
        pin = self.now()
        st.session_state[self._state] = (pin, pin)

    def keep(self, name: str) -> None:
        """Keep a neuron or an edge from the server; the browser takes the newer stamp over."""
        pin = Pin(name, self.now().stamp + 1)
        st.session_state[self._state] = (pin, pin)
        remember(self.name, name)

    def take(self) -> None:
        """Callback of the canvas: keep what the browser says."""
        pin = parse_pin(st.session_state[self.canvas]["pinned"])
        if pin is not None:
            st.session_state[self._state] = (pin, self.told())

    def units(self) -> tuple[Unit, ...]:
        """The neuron that is kept, or both ends of the edge; nothing where it makes no sense."""
        name = self.now().name
        single = unit_of(name)
        if single and self.exists(single):
            return (single,)
        ends = [unit_of(part) for part in name.split(">")]
        units = tuple(unit for unit in ends if unit and self.exists(unit))
        if name and (len(units) != 2 or len(ends) != 2):
            refuse("neuron", [name])
            self.keep("")
            return ()
        return units
