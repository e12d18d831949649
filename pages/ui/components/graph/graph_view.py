"""The Concept Graph as a canvas: pointing isolates paths in the browser, a click is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
_SCRIPTS = (
    "../canvas_page.js",
    "../svg_context.js",
    "graph_place.js",
    "graph_draw.js",
    "graph_view.js",
)
_COMPONENT = st.components.v2.component(
    "graph_view",
    html=(_HERE / "graph_view.html").read_text(),
    css="\n".join((_HERE / name).read_text() for name in ("../canvas_page.css", "graph_view.css")),
    js="\n".join((_HERE / name).read_text() for name in _SCRIPTS),
)
LONGEST = 400


@dataclass(frozen=True)
class Pin:
    """What is kept: `layer:unit`, `layer:unit>layer:unit` or "", and the stamp of that click."""

    name: str = ""
    stamp: int = 0


def graph_view(message: bytes, *, key: str, on_pin: Callable[[], None]) -> None:
    """Draw a packed scene; after a click `st.session_state[key]["pinned"]` holds what is kept."""
    _COMPONENT(key=key, data=message, on_pinned_change=on_pin)


def parse_pin(value: Any) -> Pin | None:
    """What a browser sent, checked; None when it makes no sense."""
    try:
        return Pin(str(value["pinned"])[:LONGEST], int(value["stamp"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
