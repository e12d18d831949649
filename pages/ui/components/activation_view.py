"""The Activation view: every neuron of the chosen layers as one row of a canvas.

Distributions of classes are drawn by opacity, single images as dots. Sorting, filtering and
marking happen in the browser; `on_change` brings the new marks and order back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from ndcore.figures.activation_panels import LayerPanel, pack
from ndcore.figures.palette import BENIGN

__all__ = ["ClassStyle", "Instance", "ViewState", "activation_view", "parse_change"]

_HERE = Path(__file__).parent
_SCRIPTS = ("activation_draw.js", "activation_panel.js", "activation_view.js")
_COMPONENT = st.components.v2.component(
    "activation_view",
    html=(_HERE / "activation_view.html").read_text(),
    css=(_HERE / "activation_view.css").read_text(),
    js="\n".join((_HERE / name).read_text() for name in _SCRIPTS),
)
SHOWN = ("all", "marked", "unmarked")


@dataclass(frozen=True)
class ClassStyle:
    """A class as drawn: its name, colour and number of images."""

    name: str
    colour: str
    n: int


@dataclass(frozen=True)
class Instance:
    """One image as dots; `key` is `benign` or `attacked`."""

    key: str
    label: str
    colour: str


@dataclass(frozen=True)
class ViewState:
    """Order and marks. `stamp` grows with every change, so that late answers are recognised.

    Attributes:
        sort, minus: `index`, `class:NAME`, `benign` or `attacked`; `minus` may be "".
        descending, show: direction, and `all`, `marked` or `unmarked`.
        marks: layer -> units.
    """

    sort: str = "index"
    minus: str = ""
    descending: bool = True
    show: str = "all"
    marks: dict[str, tuple[int, ...]] = field(default_factory=dict)
    stamp: int = 0


def activation_view(
    panels: Sequence[LayerPanel],
    classes: Sequence[ClassStyle],
    instances: Sequence[Instance],
    state: ViewState,
    *,
    key: str,
    on_change: Callable[[], None],
) -> None:
    """Draw the panels; after a change `st.session_state[key]["changed"]` holds it."""
    view = {name: getattr(state, name) for name in ("sort", "minus", "descending", "show")}
    header = {
        "classes": [asdict(item) for item in classes],
        "instances": [asdict(item) for item in instances],
        "benign": BENIGN,
        "marks": state.marks,
        "view": view,
        "stamp": state.stamp,
    }
    _COMPONENT(key=key, data=pack(panels, header), on_changed_change=on_change)


def parse_change(value: Any, layers: dict[str, int]) -> ViewState | None:
    """The state a browser sent, checked; None when it makes no sense.

    Args:
        value: what came.
        layers: number of units of every layer that exists.
    """
    try:
        view, stamp = value["view"], int(value["stamp"])
        marks = {
            layer: tuple(int(unit) for unit in units if 0 <= int(unit) < layers[layer])
            for layer, units in value["marks"].items()
            if layer in layers
        }
        show = view["show"] if view["show"] in SHOWN else "all"
        sort, minus = str(view["sort"])[:80], str(view["minus"])[:80]
        return ViewState(sort, minus, bool(view["descending"]), show, marks, stamp)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
