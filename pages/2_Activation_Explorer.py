"""Activation Explorer: every neuron's activation distribution per class, and a pair as dots."""

from __future__ import annotations

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.bundle import Bundle
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.palette import class_colours
from ndcore.inspection import Reading
from ndcore.pairs import Pair
from ndcore.story import Claim, tell
from pages.ui.components.activation_view import activation_view
from pages.ui.exploring import (
    class_styles,
    colour_pills,
    instances_of,
    panels,
    pick_many,
    set_picks,
    set_view,
    take_change,
    view_state,
)
from pages.ui.page import current_pair, recall, remember, setup
from pages.ui.pictures import show_image

CANVAS = "activation_canvas"
VIEWS = ("Both", "Attacked", "Benign")


def show_view(bundle: Bundle, number: int, own: str, taken_for: str) -> None:
    """Callback: set classes, images and order to one of the paper's three views."""
    classes, images, sort = {
        1: ([own, taken_for], (True, True), f"class:{own}"),
        2: ([taken_for], (False, True), "attacked"),
        3: ([own], (True, False), "benign"),
    }[number]
    set_picks("classes", [name for name in bundle.classes if name in classes])
    set_picks("layers", list(bundle.layers[-2:]))
    st.session_state["show_benign"], st.session_state["show_attacked"] = images
    st.session_state["story_view"] = number
    set_view(bundle, sort=sort, minus="", descending=True, show="all")


def story(bundle: Bundle, pair: Pair, reading: Reading) -> None:
    """Rachael's three views, one click each, each with its measured claim."""
    own, taken_for = (bundle.classes[int(label)] for label in reading.predicted)
    try:
        claims = tell(bundle, pair, bundle.layers[-2])
    except NeuralDivergenceError as error:
        st.info(f"{error}.")
        return
    with st.container(border=True):
        st.markdown("**The guided story**: three views, three claims, measured on this pair")
        columns = st.columns(3)
        for claim, column in zip(claims, columns, strict=True):
            column.button(
                f"{claim.view}. {VIEWS[claim.view - 1]}",
                on_click=show_view,
                args=(bundle, claim.view, own, taken_for),
                key=f"story_{claim.view}",
                width="stretch",
                type="primary" if st.session_state.get("story_view") == claim.view else "secondary",
            )
            column.markdown(verdict(claim))


def verdict(claim: Claim) -> str:
    """The measured sentence with a mark of its outcome that is not colour alone."""
    icon = ":material/check_circle:" if claim.held else ":material/cancel:"
    return f"**{claim.title[:1].upper()}{claim.title[1:]}?**  \n{icon} {claim.sentence}"


def instances_view(bundle: Bundle, pair: Pair | None) -> tuple[Reading | None, list[int]]:
    """Show the pair, each image with its own switch; returns its reading and the rows shown."""
    if pair is None:
        st.info(
            "No image is chosen, so only class distributions are drawn. Attack one in the lab to "
            "see it as dots."
        )
        st.page_link("pages/1_Attack_Lab.py", label="Open the Attack Lab", icon=":material/bolt:")
        return None, []
    images = [pair.benign] if pair.attacked is None else [pair.benign, pair.attacked]
    reading = bundle.read(np.stack(images))
    rows = []
    columns = st.columns(2)
    for i, (name, image) in enumerate(zip(("benign", "attacked"), images, strict=False)):
        label = bundle.classes[int(reading.predicted[i])]
        show_image(image, f"taken for {label}", changes=pair.changes, width=130, place=columns[i])
        key = f"show_{name}"
        st.session_state.setdefault(key, True)
        mark = ":material/radio_button_unchecked:" if i == 0 else ":red[:material/diamond:]"
        if columns[i].toggle(f"{mark} {name}", key=key):
            rows.append(i)
    return reading, rows


def numbers(bundle: Bundle, layers: list[str], classes: list[str], drawn, rows, state) -> None:
    """The table behind the picture, with a download."""
    names = ["benign", "attacked"]
    tables = []
    for panel in drawn:
        table = pd.DataFrame({"layer": panel.layer, "unit": np.arange(panel.medians.shape[1])})
        table["marked"] = table["unit"].isin(state.marks.get(panel.layer, ()))
        for name, medians, zeros in zip(classes, panel.medians, panel.zero_share, strict=True):
            table[f"{name} median"] = medians
            table[f"{name} zeros"] = zeros / 255
        for row, values in zip(rows, panel.instances, strict=False):
            table[names[row]] = values
        tables.append(table)
    frame = pd.concat(tables, ignore_index=True)
    with st.expander(f"Numbers: {len(frame):,} neurons of {', '.join(layers)}"):
        only = st.checkbox("Marked only", key="table_marked")
        shown = frame[frame["marked"]] if only else frame
        st.dataframe(shown, hide_index=True, key="numbers")
        st.download_button(
            "CSV",
            shown.to_csv(index=False),
            f"{bundle.name}-neurons.csv",
            icon=":material/download:",
            on_click="ignore",
        )


def main() -> None:
    """Lay out the page."""
    bundle = setup("Activation Explorer")
    if bundle is None:
        return
    st.title("Activation Explorer")
    st.caption(
        "Each row is a neuron. The more opaque a bar, the more images of that class gave the "
        "neuron this activation; the narrow column at the left holds exact zeros. Dots are the "
        "two single images."
    )
    pair = current_pair(bundle)
    # The two halves stand side by side where there is room and wrap where there is not.
    halves = st.container(horizontal=True, gap="large")
    left, right = halves.container(width=560), halves.container(width=300)
    with right:
        st.markdown("**Instances**")
        reading, rows = instances_view(bundle, pair)
    own = [bundle.classes[int(i)] for i in dict.fromkeys(reading.predicted)] if reading else []
    with left:
        layers = pick_many("**Layers**", bundle.layers, "layers", list(bundle.layers[-2:]))
        colour_pills(class_colours(len(bundle.classes)))
        default = own or [bundle.classes[i] for i in (3, 5)]
        classes = pick_many("**Classes**", bundle.classes, "classes", default)
        kept = recall("reduction", "max")
        reduction = st.segmented_control(
            "**Convolution neurons as**",
            ("mean", "max"),
            default=kept if kept in ("mean", "max") else "max",
            required=True,
            key="reduction",
            format_func=lambda r: {"mean": "mean over positions", "max": "strongest position"}[r],
            help="A convolution neuron has a value at every position; this picks one number.",
        )
        remember("reduction", "" if reduction == "max" else str(reduction))
    if reading is not None and pair is not None and pair.attacked is not None:
        story(bundle, pair, reading)
    if not layers or not (classes or rows):
        st.info("Choose at least one layer, and a class or an image, to see their neurons.")
        return
    drawn = panels(bundle, layers, classes, str(reduction), reading, rows)
    instances = instances_of(bundle, pair, reading) if pair is not None and reading else []
    state = view_state(bundle)
    activation_view(
        drawn,
        class_styles(bundle, classes),
        [instances[i] for i in rows],
        state,
        key=CANVAS,
        on_change=lambda: take_change(bundle, CANVAS),
    )
    numbers(bundle, layers, classes, drawn, rows, state)


main()
