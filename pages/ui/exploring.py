"""Selection views of the Activation Explorer and the state they share with the link."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import streamlit as st

from ndcore.bundle import Bundle
from ndcore.figures.activation_panels import BINS, LayerPanel, make_panel
from ndcore.figures.palette import ATTACKED, BENIGN, class_colours
from ndcore.inspection import Reading
from ndcore.pairs import Pair
from pages.ui.components.activation_view import ClassStyle, Instance, ViewState, parse_change
from pages.ui.page import recall, remember

__all__ = [
    "class_styles",
    "instances_of",
    "panels",
    "pick_many",
    "set_view",
    "take_change",
    "view_state",
]

VIEW = "explorer_view"


def pick_many(label: str, options: tuple[str, ...], name: str, default: list[str]) -> list[str]:
    """Pills of which any number may be on; kept in the link as `name=a,b`."""
    key = f"pills_{name}"
    if key not in st.session_state:
        linked = [item for item in recall(name).split(",") if item in options]
        st.session_state[key] = linked or default
    chosen = st.pills(label, options, selection_mode="multi", key=key, wrap=True)
    picked = [option for option in options if option in chosen]
    remember(name, ",".join(picked))
    return picked


def set_picks(name: str, values: list[str]) -> None:
    """Change a `pick_many` from a callback."""
    st.session_state[f"pills_{name}"] = values


def colour_pills(colours: list[str]) -> None:
    """Give each class's pill its own colour; what is off stays grey."""
    rules = "".join(
        f".st-key-pills_classes button:nth-of-type({i})[aria-pressed=true]"
        f"{{border-color:{colour};background:{colour}33;box-shadow:inset 0 -3px 0 {colour};"
        "color:inherit}"
        for i, colour in enumerate(colours, start=1)
    )
    st.html(f"<style>{rules}</style>")


def view_state(bundle: Bundle) -> ViewState:
    """Order and marks of this session, at first those of the link."""
    held = st.session_state.get(VIEW)
    if held is None or held[0] != bundle.name:
        marks: dict[str, tuple[int, ...]] = {}
        for part in recall("marks").split(";"):
            layer, _, numbers = part.partition(":")
            if layer in bundle.layers:
                units = [int(n) for n in numbers.split(",") if n.isdigit()]
                marks[layer] = tuple(u for u in units if u < bundle.units(layer))
        state = ViewState(sort=recall("sort", "index"), minus=recall("minus"), marks=marks)
        st.session_state[VIEW] = held = (bundle.name, state)
    state = held[1]
    marked = ";".join(
        f"{layer}:{','.join(str(unit) for unit in units)}"
        for layer, units in state.marks.items()
        if units
    )
    remember("marks", marked)
    remember("sort", "" if state.sort == "index" else state.sort)
    remember("minus", state.minus)
    return state


def set_view(bundle: Bundle, **changes: object) -> None:
    """Change order or marks from the server; the browser takes over the newer stamp."""
    state = view_state(bundle)
    new = replace(state, stamp=state.stamp + 1, **changes)  # type: ignore[arg-type]
    st.session_state[VIEW] = (bundle.name, new)


def take_change(bundle: Bundle, key: str) -> None:
    """Callback of the view: keep what the browser says."""
    units = {layer: bundle.units(layer) for layer in bundle.layers}
    changed = parse_change(st.session_state[key]["changed"], units)
    if changed is not None:
        st.session_state[VIEW] = (bundle.name, changed)


def class_styles(bundle: Bundle, picked: list[str]) -> list[ClassStyle]:
    """Picked classes with their colours and image counts."""
    layer = bundle.layers[-1]
    n = bundle.distributions(layer, bundle.reductions(layer)[0]).n
    colours = class_colours(len(bundle.classes))
    rows = [bundle.classes.index(name) for name in picked]
    return [ClassStyle(bundle.classes[i], colours[i], int(n[i])) for i in rows]


def instances_of(bundle: Bundle, pair: Pair, reading: Reading) -> list[Instance]:
    """The pair's images as the view draws them."""
    labels = [bundle.classes[int(label)] for label in reading.predicted]
    theme = "dark" if st.context.theme.type == "dark" else "light"
    found = [Instance("benign", f"benign → {labels[0]}", BENIGN[theme])]
    if pair.attacked is not None:
        found.append(Instance("attacked", f"attacked → {labels[1]}", ATTACKED))
    return found


def panels(
    bundle: Bundle,
    layers: list[str],
    picked: list[str],
    reduction: str,
    reading: Reading | None,
    rows: list[int],
) -> list[LayerPanel]:
    """Panels of the chosen layers.

    Args:
        bundle: gives the distributions.
        layers: to draw.
        picked: classes.
        reduction: of conv layers; dense layers have their own.
        reading: of the pair, or None.
        rows: which images of the reading are shown.
    """
    classes = [bundle.classes.index(name) for name in picked]
    drawn = []
    for layer in layers:
        fits = bundle.reductions(layer)
        kind = reduction if reduction in fits else fits[0]
        found = bundle.distributions(layer, kind)
        low, high = found.axis()
        values = np.zeros((0, found.units), np.float32)
        if reading is not None and rows:
            values = reading.values(layer, kind)[rows]
            high = max(high, float(np.quantile(values, 0.99)))
        drawn.append(
            make_panel(
                layer,
                kind,
                axis=(low, high),
                shares=found.on_common_axis(low, high, BINS, classes),
                zero_share=found.zero_share()[classes],
                medians=found.medians()[classes],
                instances=values,
                names=bundle.classes if found.units == len(bundle.classes) else (),
            )
        )
    return drawn
