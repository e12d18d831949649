"""Selection views of the Activation Explorer and the state they share with the link."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.figures.explorer.activation_panels import QUANTILES, LayerPanel
from ndcore.figures.style.palette import class_colours
from pages.ui.components.activation.activation_view import (
    CONTRASTS,
    SHOWN,
    ZOOMS,
    ClassStyle,
    ViewState,
    parse_change,
)
from pages.ui.explorer.instances import Shown
from pages.ui.frame import loaders
from pages.ui.frame.link import just_linked, recall, remember

__all__ = [
    "class_styles",
    "colour_pills",
    "panels",
    "pick_many",
    "set_picks",
    "set_view",
    "start_with",
    "table_of",
    "take_change",
    "view_state",
]

VIEW = "explorer_view"
SEEN = "explorer_seen"  # the pair whose classes were chosen last
STORY_CLASSES = (3, 5)  # of CIFAR-10: cat and dog, as in the paper
LINKED = ("sort", "minus", "order", "show", "rows", "opacity", "hidden")


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
    """Order, looks and marks of this session, at first those of the link."""
    held = st.session_state.get(VIEW)
    if held is None or held[0] != bundle.name:
        st.session_state[VIEW] = held = (bundle.name, _linked(bundle))
    state: ViewState = held[1]
    marked = ";".join(
        f"{layer}:{','.join(str(unit) for unit in units)}"
        for layer, units in state.marks.items()
        if units
    )
    remember("marks", marked)
    written = (
        "" if state.sort == "index" else state.sort,
        state.minus,
        "" if state.descending else "low",
        "" if state.show == "all" else state.show,
        "" if state.zoom == 1 else str(state.zoom),
        "" if state.contrast == "layer" else state.contrast,
        ",".join(state.hidden),
    )
    for name, value in zip(LINKED, written, strict=True):
        remember(name, value)
    return state


def _linked(bundle: Bundle) -> ViewState:
    """The state that the link describes; what makes no sense in it is left out."""
    marks: dict[str, tuple[int, ...]] = {}
    for part in recall("marks").split(";"):
        layer, _, numbers = part.partition(":")
        if layer in bundle.layers:
            units = [int(n) for n in numbers.split(",") if n.isdecimal() and len(n) < 9]
            marks[layer] = tuple(u for u in units if u < bundle.units(layer))
    sort, minus, order, show, rows, opacity, hidden = (recall(name) for name in LINKED)
    return ViewState(
        sort=sort or "index",
        minus=minus,
        descending=order != "low",
        show=show if show in SHOWN else "all",
        zoom=int(rows) if rows in map(str, ZOOMS) else 1,
        contrast=opacity if opacity in CONTRASTS else "layer",
        hidden=tuple(filter(None, hidden.split(","))),
        marks=marks,
    )


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


def start_with(bundle: Bundle, pair: Pair | None, shown: list[Shown]) -> None:
    """Choose the classes that a newly arrived pair is taken for, unless the link names some."""
    images = b"" if pair is None else b"".join(image.tobytes() for image in pair.images)
    key = (bundle.name, hashlib.sha256(images).hexdigest())
    if st.session_state.get(SEEN) == key:
        return
    st.session_state[SEEN] = key
    if not just_linked("classes"):
        taken = {bundle.classes[item.predicted] for item in shown if item.entry == 1}
        names = [name for name in bundle.classes if name in taken]
        usual = [bundle.classes[i] for i in STORY_CLASSES if i < len(bundle.classes)]
        set_picks("classes", names or usual)


def class_styles(bundle: Bundle, picked: list[str]) -> list[ClassStyle]:
    """Picked classes with their colours and image counts."""
    layer = bundle.layers[-1]
    n = bundle.distributions(layer, bundle.reductions(layer)[0]).n
    colours = class_colours(len(bundle.classes))
    rows = [bundle.classes.index(name) for name in picked]
    return [ClassStyle(bundle.classes[i], colours[i], int(n[i])) for i in rows]


def panels(
    bundle: Bundle,
    layers: Iterable[str],
    picked: list[str],
    reduction: str,
    reading: Reading | None,
) -> list[LayerPanel]:
    """Panels of the chosen layers.

    Args:
        bundle: gives the distributions.
        layers: to draw.
        picked: classes.
        reduction: of conv layers; dense layers have their own.
        reading: of the images to show, or None.
    """
    classes = [bundle.classes.index(name) for name in picked]
    drawn = []
    for layer in layers:
        fits = bundle.reductions(layer)
        kind = reduction if reduction in fits else fits[0]
        nothing = np.zeros((0, bundle.units(layer)), np.float32)
        values = nothing if reading is None else reading.values(layer, kind)
        drawn.append(loaders.class_panel(bundle, layer, kind).show(classes, values))
    return drawn


def table_of(
    drawn: list[LayerPanel],
    classes: list[str],
    images: list[str],
    marks: dict[str, tuple[int, ...]],
) -> pd.DataFrame:
    """The numbers behind the rows: one line per neuron.

    Args:
        drawn: the panels.
        classes: names of their classes.
        images: names of their single images.
        marks: layer -> marked units.
    """
    tables = []
    for panel in drawn:
        columns: dict[str, object] = {
            "layer": panel.layer,
            "neuron": np.arange(panel.density.shape[1]),
        }
        columns["marked"] = np.isin(columns["neuron"], marks.get(panel.layer, ()))
        for k, name in enumerate(classes):
            columns[f"{name} median"] = panel.medians[k]
            columns[f"{name} zeros"] = panel.zero_share[k]
            for at, q in enumerate(QUANTILES):
                if q != 0.5:
                    columns[f"{name} {100 * q:g}%"] = panel.quantiles[at, k]
        for i, image in enumerate(images):
            columns[image] = panel.values[i]
            for k, name in enumerate(classes):
                columns[f"{image}: share of {name} below"] = panel.rank[i, k]
                columns[f"{image}: divergence from {name}"] = panel.divergence[i, k]
        tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)
