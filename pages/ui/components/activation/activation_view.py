"""The Activation view: every neuron of the chosen layers as one row of a canvas.

Distributions of classes are drawn by opacity, single images as marks. Sorting, hiding,
recolouring and marking happen in the browser; `on_change` brings the new state back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import streamlit as st

from ndcore.figures.explorer.activation_panels import LayerPanel, pack
from ndcore.figures.style.palette import BENIGN, PAGES, rgba

_HERE = Path(__file__).parent
_SCRIPTS = (
    "../canvas_page.js",
    "../svg_context.js",
    "activation_draw.js",
    "activation_panel.js",
    "activation_tip.js",
    "activation_export.js",
    "activation_view.js",
)
_COMPONENT = st.components.v2.component(
    "activation_view",
    html=(_HERE / "activation_view.html").read_text(),
    css="\n".join(
        (_HERE / name).read_text() for name in ("../canvas_page.css", "activation_view.css")
    ),
    js="\n".join((_HERE / name).read_text() for name in _SCRIPTS),
)
SHOWN = ("all", "marked", "unmarked")
CONTRASTS = ("layer", "neuron")
ZOOMS = (1, 2, 4, 8, 16, 32)
MOST_HIDDEN = 64
LONGEST = 160
# What the canvas takes from the page itself is not here.
LOOKS = {
    theme: {"benign": BENIGN[theme], "faint": page["faint"], "grid": rgba(page["ink"], 0.09)}
    for theme, page in PAGES.items()
}


@dataclass(frozen=True)
class ClassStyle:
    """A class as drawn: its name, colour and number of images."""

    name: str
    colour: str
    n: int


@dataclass(frozen=True)
class Instance:
    """One image as marks on the rows.

    Attributes:
        key: names it in the order and among what is hidden.
        label: in the legend.
        colour: `#rrggbb`, or `ink` for the theme's text colour.
        shape: `circle`, `diamond`, `ring`, `square` or `triangle`.
        entry: images of one entry are joined by a line.
    """

    key: str
    label: str
    colour: str
    shape: str
    entry: int


@dataclass(frozen=True)
class ViewState:
    """Order, marks and looks. `stamp` grows with every change, so late answers are recognised.

    Attributes:
        sort: `index`, `class:NAME` (its median), an instance's key, `divergence:KEY:NAME`,
            `separation:NAME:NAME` or `zeros:NAME`. What is not on show counts as `index`.
        minus: a class or an instance that is subtracted, or "".
        descending, show: direction, and `all`, `marked` or `unmarked`.
        zoom: height of the rows, as a multiple of what fits; one of `ZOOMS`.
        contrast: whose densest bins are opaque, the `layer`'s or each `neuron`'s.
        hidden: `class:NAME` and instance keys that are switched off.
        marks: layer -> units.
    """

    sort: str = "index"
    minus: str = ""
    descending: bool = True
    show: str = "all"
    zoom: int = 1
    contrast: str = "layer"
    hidden: tuple[str, ...] = ()
    marks: dict[str, tuple[int, ...]] = field(default_factory=dict)
    stamp: int = 0


def message_of(
    panels: Sequence[LayerPanel],
    classes: Sequence[ClassStyle],
    instances: Sequence[Instance],
    state: ViewState,
) -> bytes:
    """All that the browser needs to draw; it takes the state over unless its own is newer."""
    view = asdict(state)
    del view["marks"], view["stamp"]
    header = {
        "classes": [asdict(item) for item in classes],
        "instances": [asdict(item) for item in instances],
        "looks": LOOKS,
        "marks": state.marks,
        "view": view,
        "stamp": state.stamp,
    }
    return pack(panels, header)


def activation_view(message: bytes, *, key: str, on_change: Callable[[], None]) -> None:
    """Draw a message; after a change in the browser `st.session_state[key]["changed"]` holds it."""
    _COMPONENT(key=key, data=message, on_changed_change=on_change)


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
        zoom = int(view["zoom"])
        return ViewState(
            sort=str(view["sort"])[:LONGEST],
            minus=str(view["minus"])[:LONGEST],
            descending=bool(view["descending"]),
            show=view["show"] if view["show"] in SHOWN else "all",
            zoom=zoom if zoom in ZOOMS else 1,
            contrast=view["contrast"] if view["contrast"] in CONTRASTS else "layer",
            hidden=tuple(str(key)[:LONGEST] for key in view["hidden"][:MOST_HIDDEN]),
            marks=marks,
            stamp=stamp,
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
