"""Activation Explorer: every neuron's activation distribution per class, and images as marks."""

from __future__ import annotations

import streamlit as st

from ndcore.analysis.story import Claim, tell
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.explorer.activation_panels import LayerPanel
from ndcore.figures.style.palette import class_colours
from pages.ui.components.activation.activation_view import Instance, ViewState, activation_view
from pages.ui.elements.csv_button import csv_button
from pages.ui.explorer.depth import depth_panel
from pages.ui.explorer.instances import Shown, instances_view
from pages.ui.explorer.positions import positions_panel
from pages.ui.explorer.propagation import propagation_panel
from pages.ui.explorer.view import (
    class_styles,
    colour_pills,
    panels,
    pick_many,
    set_picks,
    set_view,
    start_with,
    table_of,
    take_change,
    view_state,
)
from pages.ui.frame.link import recall, remember
from pages.ui.frame.page import setup
from pages.ui.frame.pair import current_pair
from pages.ui.images.pair_key import pair_key
from pages.ui.images.tray import read, show_only

CANVAS = "activation_canvas"
VIEWS = ("Both", "Attacked", "Benign")


def show_view(bundle: Bundle, number: int, own: str, taken_for: str) -> None:
    """Callback: set classes, images and order to one of the paper's three views."""
    classes, images, sort = {
        1: ([own, taken_for], ("benign", "attacked"), f"class:{own}"),
        2: ([taken_for], ("attacked",), "attacked"),
        3: ([own], ("benign",), "benign"),
    }[number]
    set_picks("classes", [name for name in bundle.classes if name in classes])
    set_picks("layers", list(bundle.layers[-2:]))
    show_only(bundle, images)
    st.session_state["story_view"] = number
    set_view(bundle, sort=sort, minus="", descending=True, show="all", hidden=())


@st.cache_data(max_entries=64, show_spinner=False)
def claims_of(key: str, _bundle: Bundle, _pair: Pair) -> tuple[Claim, ...]:
    """The story of a pair, measured once."""
    return tell(_bundle, _pair, _bundle.layers[-2])


def story(bundle: Bundle, pair: Pair) -> None:
    """Rachael's three views, one click each, each with its measured claim."""
    try:
        claims = claims_of(pair_key(bundle, pair), bundle, pair)
    except NeuralDivergenceError as error:
        st.info(f"{error}.")
        return
    own, taken_for = claims[0].classes
    with st.container(border=True):
        st.markdown("**The guided story**: three views, three claims, measured on this pair")
        columns = st.columns(3)
        for claim, column in zip(claims, columns, strict=True):
            column.button(
                f"{claim.view}. {VIEWS[claim.view - 1]}",
                on_click=show_view,
                args=(bundle, claim.view, bundle.classes[own], bundle.classes[taken_for]),
                key=f"story_{claim.view}",
                width="stretch",
                type="primary" if st.session_state.get("story_view") == claim.view else "secondary",
            )
            column.markdown(verdict(claim))


def verdict(claim: Claim) -> str:
    """The measured sentence with a mark of its outcome that is not colour alone."""
    icon = ":material/check_circle:" if claim.held else ":material/cancel:"
    return f"**{claim.title[:1].upper()}{claim.title[1:]}?**  \n{icon} {claim.sentence}"


def choose_layers(bundle: Bundle) -> list[str]:
    """Pills of all layers, with two shortcuts."""
    layers = pick_many("**Layers**", bundle.layers, "layers", list(bundle.layers[-2:]))
    row = st.container(horizontal=True, gap="small")
    for label, chosen in (("All layers", bundle.layers), ("Last two", bundle.layers[-2:])):
        row.button(
            label,
            on_click=set_picks,
            args=("layers", list(chosen)),
            key=label.lower().replace(" ", "_"),
            type="tertiary",
            disabled=layers == list(chosen),
        )
    return layers


def choose_reduction() -> str:
    """How a convolution unit's positions become one number."""
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
    return str(reduction)


def numbers(
    bundle: Bundle,
    drawn: list[LayerPanel],
    classes: list[str],
    shown: list[Shown],
    state: ViewState,
) -> None:
    """The table behind the picture, with a download."""
    units = sum(panel.density.shape[1] for panel in drawn)
    label = f"Numbers: {units:,} neurons of {len(drawn)} layers"
    # Made when it is opened: for all layers the table outweighs the picture.
    with st.expander(label, key="numbers_open", on_change="rerun") as box:
        if not box.open:
            return
        frame = table_of(drawn, classes, [item.label for item in shown], state.marks)
        only = st.checkbox("Marked only", key="table_marked")
        chosen = frame[frame["marked"]] if only else frame
        st.dataframe(chosen, hide_index=True, key="numbers")
        csv_button(chosen, f"{bundle.name}-neurons.csv", "numbers_csv")


def closer(bundle: Bundle, pair: Pair, layers: list[str], state: ViewState) -> None:
    """Depth, spread and place of the pair; a tab is computed when it is opened."""
    tabs = st.tabs(
        ["Depth profile", "How the change spreads", "Where neurons fire"],
        key="closer",
        on_change="rerun",
    )
    reading = read(bundle, pair.images)
    draw = (
        lambda: depth_panel(bundle, pair, reading),
        lambda: propagation_panel(bundle, pair),
        lambda: positions_panel(bundle, pair, state.marks, layers),
    )
    for tab, panel in zip(tabs, draw, strict=True):
        if tab.open:
            with tab:
                panel()


def main() -> None:
    """Lay out the page."""
    bundle = setup("Activation Explorer")
    if bundle is None:
        return
    st.title("Activation Explorer")
    st.caption(
        "Each row is a neuron. The more opaque a bar, the more images of that class gave the "
        "neuron this activation; the narrow column at the left holds exact zeros. Dots are "
        "single images. Point at a row for its numbers, click it to mark it."
    )
    # The two halves stand side by side where there is room and wrap where there is not.
    halves = st.container(horizontal=True, gap="large")
    left, right = halves.container(width=560), halves.container(width=330)
    with right:
        shown = instances_view(bundle)
    pair = current_pair(bundle)
    start_with(bundle, pair, shown)
    with left:
        layers = choose_layers(bundle)
        colour_pills(class_colours(len(bundle.classes)))
        classes = pick_many("**Classes**", bundle.classes, "classes", [])
        reduction = choose_reduction()
    if pair is not None and pair.attacked is not None:
        story(bundle, pair)
    if not layers or not (classes or shown):
        st.info("Choose at least one layer, and a class or an image, to see their neurons.")
    else:
        reading = read(bundle, [item.pixels for item in shown]) if shown else None
        drawn = panels(bundle, layers, classes, reduction, reading)
        state = view_state(bundle)
        activation_view(
            drawn,
            class_styles(bundle, classes),
            [Instance(s.key, s.label, s.colour, s.shape, s.entry) for s in shown],
            state,
            key=CANVAS,
            on_change=lambda: take_change(bundle, CANVAS),
        )
        numbers(bundle, drawn, classes, shown, state)
    if pair is not None:
        closer(bundle, pair, layers, view_state(bundle))


main()
