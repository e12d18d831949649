"""Selection views of the Activation Explorer and the state they share with the link."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle
from ndcore.figures.explorer.activation_panels import QUANTILES, LayerPanel
from ndcore.figures.style.palette import class_colours, distinct_colours
from pages.ui.components.activation.activation_view import (
    CONTRASTS,
    SHOWN,
    ZOOMS,
    ClassStyle,
    ViewState,
    parse_change,
)
from pages.ui.elements.pick_several import MOST_PILLS
from pages.ui.explorer.instances import Shown
from pages.ui.frame import loaders
from pages.ui.frame.link import just_linked, recall, refuse, remember
from pages.ui.images.tray import KEY

VIEW = "explorer_view"
MOST_PANELS, MOST_ROWS = 24, 60_000  # layers, and neurons times classes, drawn at once
STORY_CLASSES = (3, 5)  # of CIFAR-10: cat and dog, as in the paper
LINKED = ("sort", "minus", "order", "show", "rows", "opacity", "hidden", "marks")


def forget(key: str, about: object, name: str = "") -> None:
    """A control begins anew where it is about something else than before, unless a link sets it."""
    name, subject = name or key, f"{key}_about"
    if st.session_state.setdefault(subject, about) != about and not just_linked(name):
        st.session_state.pop(key, None)
        remember(name, "")
    st.session_state[subject] = about


def held_classes(bundle: Bundle) -> list[str]:
    """Names of the classes that have distributions."""
    return [bundle.classes[label] for label in bundle.held]


def colour_pills(bundle: Bundle) -> None:
    """Give each class's pill its own colour; pills that are off are grey, those of layers small."""
    every = class_colours(len(bundle.classes))
    colours = [every[bundle.classes.index(name)] for name in held_classes(bundle)[:MOST_PILLS]]
    off = ":is(.st-key-pills_classes,.st-key-pills_layers) button[aria-pressed=false]"
    layers = ".st-key-pills_layers button"
    small = f"{layers}{{padding:0 0.5rem}}{layers} p{{font-size:0.8rem}}"
    rules = f"{small}{off}{{color:color-mix(in srgb,currentColor 60%,transparent)}}" + "".join(
        f".st-key-pills_classes button:nth-of-type({i})[aria-pressed=true]"
        f"{{border-color:{colour};background:{colour}33;box-shadow:inset 0 -3px 0 {colour};"
        "color:inherit}"
        for i, colour in enumerate(colours, start=1)
    )
    st.html(f"<style>{rules}</style>")


def view_state(bundle: Bundle) -> ViewState:
    """Order, looks and marks of this session, or those of a link that was just followed."""
    state: ViewState
    name, state, sent = st.session_state.get(VIEW, ("", ViewState(), ViewState()))
    if name != bundle.name or any(map(just_linked, LINKED)):
        # Later than any stamp of a browser whose session a restarted server has forgotten.
        sent = state = _linked(bundle, max(state.stamp + 1, time.time_ns() // 1_000_000))
    st.session_state[VIEW] = (bundle.name, state, sent)
    for name, text, usual in zip(LINKED, _texts(state), _texts(ViewState()), strict=True):
        wrong = set(recall(name).split(";")) - {*text.split(";"), ""}
        if just_linked(name) and wrong:
            refuse(name, sorted(wrong))
        remember(name, "" if text == usual else text)
    return state


def _texts(state: ViewState) -> tuple[str, ...]:
    """What the link says of a state, in the order of `LINKED`."""
    marks = (f"{name}:{','.join(map(str, units))}" for name, units in state.marks.items() if units)
    order = "high" if state.descending else "low"
    looks = (state.show, str(state.zoom), state.contrast, ",".join(state.hidden))
    return (state.sort, state.minus, order, *looks, ";".join(marks))


def _linked(bundle: Bundle, stamp: int) -> ViewState:
    """The state that the link describes; what makes no sense in it is left out."""
    marks: dict[str, tuple[int, ...]] = {}
    for part in recall("marks").split(";"):
        layer, _, numbers = part.partition(":")
        if layer in bundle.layers:
            units = [int(n) for n in numbers.split(",") if n.isdecimal() and len(n) < 9]
            marks[layer] = tuple(u for u in units if u < bundle.units(layer))
    sort, minus, order, show, rows, opacity, hidden, _ = map(recall, LINKED)
    class_ = f"(?:{'|'.join(map(re.escape, bundle.classes))})"
    one = rf"(?:class:{class_}|{KEY.pattern})"
    of_two = rf"divergence:(?:{KEY.pattern}):{class_}|separation:{class_}:{class_}"
    return ViewState(
        sort=sort if re.fullmatch(rf"{one}|zeros:{class_}|{of_two}", sort) else "index",
        minus=minus if re.fullmatch(one, minus) else "",
        descending=order != "low",
        show=show if show in SHOWN else "all",
        zoom=int(rows) if rows in map(str, ZOOMS) else 1,
        contrast=opacity if opacity in CONTRASTS else "layer",
        hidden=tuple(key for key in hidden.split(",") if re.fullmatch(one, key)),
        marks=marks,
        stamp=stamp,
    )


def set_view(bundle: Bundle, **changes: object) -> None:
    """Change order or marks from the server; the browser takes over the newer stamp."""
    state = view_state(bundle)
    new = replace(state, stamp=state.stamp + 1, **changes)  # type: ignore[arg-type]
    st.session_state[VIEW] = (bundle.name, new, new)


def sent_state() -> ViewState:
    """What the browser is told, once there is a `view_state`: the last one not made by itself.

    So a mark leaves the picture's message as it was, and that is not sent again.
    """
    sent: ViewState = st.session_state[VIEW][2]
    return sent


def take_change(bundle: Bundle, key: str) -> None:
    """Callback of the view: keep what the browser says."""
    units = {layer: bundle.units(layer) for layer in bundle.layers}
    changed = parse_change(st.session_state[key]["changed"], units)
    if changed is not None:
        st.session_state[VIEW] = (bundle.name, changed, st.session_state[VIEW][2])


def usual_classes(bundle: Bundle, shown: list[Shown]) -> list[str]:
    """The classes that the current pair's images are taken for; without one, those of the story."""
    taken = {bundle.classes[item.predicted] for item in shown if item.entry == 1}
    held = held_classes(bundle)
    story = [bundle.classes[i] for i in STORY_CLASSES if i < len(bundle.classes)]
    usual = [name for name in story if name in held] or held[: len(STORY_CLASSES)]
    return [name for name in held if name in taken] or usual


def class_styles(bundle: Bundle, picked: list[str]) -> list[ClassStyle]:
    """Picked classes with their colours and image counts."""
    layer = bundle.layers[-1]
    n = bundle.distributions(layer, bundle.reductions(layer)[0]).n
    rows = [bundle.classes.index(name) for name in picked]
    colours = distinct_colours(rows, len(bundle.classes))
    return [
        ClassStyle(bundle.classes[i], colour, int(n[i]))
        for i, colour in zip(rows, colours, strict=True)
    ]


def fitting_layers(bundle: Bundle, layers: list[str], classes: int) -> list[str]:
    """The first of some layers, as many as are drawn at once: so a browser stays quick."""
    found: list[str] = []
    rows = 0
    for layer in layers[:MOST_PANELS]:
        rows += bundle.units(layer) * max(1, classes)
        if found and rows > MOST_ROWS:
            break
        found.append(layer)
    return found


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
        drawn.append(loaders.layer_panel(bundle, layer, kind, classes, values))
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
        units = np.arange(panel.density.shape[1])
        columns: dict[str, object] = {"layer": panel.layer, "neuron": units}
        columns["marked"] = np.isin(units, marks.get(panel.layer, ()))
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
