"""Activation Explorer: every neuron's activation distribution per class, and images as marks."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from ndcore.analysis.story import Claim, tell
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.figures.explorer.activation_panels import LayerPanel
from ndcore.legible.few_of_many import evenly
from ndcore.legible.plurals import counted
from pages.ui.components.activation.activation_view import (
    Instance,
    ViewState,
    activation_view,
    message_of,
)
from pages.ui.elements.csv_button import csv_button
from pages.ui.elements.pick_several import pick_several
from pages.ui.explorer.depth import depth_panel
from pages.ui.explorer.instances import Shown, instances_view
from pages.ui.explorer.positions import positions_panel
from pages.ui.explorer.propagation import propagation_panel
from pages.ui.explorer.view import (
    MOST_PANELS,
    class_styles,
    colour_pills,
    fitting_layers,
    forget,
    held_classes,
    panels,
    sent_state,
    set_view,
    table_of,
    take_change,
    usual_classes,
    view_state,
)
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import box, choice, recall, switch, tabs
from pages.ui.frame.page import setup
from pages.ui.frame.page_list import EXPLORER
from pages.ui.frame.pair import current_pair
from pages.ui.frame.story_banner import story_banner
from pages.ui.frame.words import plain, sentence
from pages.ui.images.example import offer_example
from pages.ui.images.graph_link import graph_button
from pages.ui.images.pair_key import pair_key
from pages.ui.images.tray import read, show_only

CANVAS = "activation_canvas"
TABLE = "numbers_open"
PLACES = "Where neurons fire"
MOST_CLASSES = 10  # drawn at once, as there are colours
SPREAD = 12  # of many layers that are offered together
MOST_TOLD = 1000  # characters of a claim
CHOICES_WIDTH = 300
# Where two panels of neurons fit beside the choices, else the choices stand below them.
STYLE = (
    "<style>[class*=st-key-story_] button p{white-space:normal}"
    "[data-testid=stLayoutWrapper]:has(>.st-key-neurons)"
    "{flex:1 1 600px;min-width:min(100%,600px)}</style>"
)
ASKED = ("Are the two classes alike?", "Is the attacked one odd?", "Is the benign one usual?")


def show_view(bundle: Bundle, pair: str, number: int, own: str, taken_for: str) -> None:
    """Callback: set classes, images and order to one of the paper's three views."""
    classes, images, sort = {
        1: ([own, taken_for], ("benign", "attacked"), f"class:{own}"),
        2: ([taken_for], ("attacked",), "attacked"),
        3: ([own], ("benign",), "benign"),
    }[number]
    st.session_state["pills_classes"] = classes
    st.session_state["pills_layers"] = list(bundle.layers[-2:])
    show_only(bundle, images)
    st.session_state["story_view"] = number
    st.session_state.setdefault("story_seen", set()).add((pair, number))
    set_view(bundle, sort=sort, minus="", descending=True, show="all", hidden=())


@st.cache_data(max_entries=64, show_spinner=False)
@known_signature
def claims_of(key: str, _bundle: Bundle, _pair: Pair) -> tuple[Claim, ...]:
    """The story of a pair, measured once."""
    return tell(_bundle, _pair, _bundle.layers[-2:][0])


def story(bundle: Bundle, pair: Pair) -> list[Claim]:
    """Rachael's three views, one click each; the claims of those that were looked at."""
    key = pair_key(bundle, pair)
    try:
        claims = claims_of(key, bundle, pair)
    except NeuralDivergenceError as error:
        st.info(sentence(error))
        return []
    seen = [c for c in claims if (key, c.view) in st.session_state.get("story_seen", ())]
    own, taken_for = claims[0].classes
    with st.container(border=True):
        columns = st.columns(3)
        for claim, column in zip(claims, columns, strict=True):
            column.button(
                f"{claim.view}. {ASKED[claim.view - 1]}",
                on_click=show_view,
                args=(bundle, key, claim.view, bundle.classes[own], bundle.classes[taken_for]),
                key=f"story_{claim.view}",
                width="stretch",
                type="primary" if st.session_state.get("story_view") == claim.view else "secondary",
            )
            if claim in seen:
                icon = ":material/check_circle:" if claim.held else ":material/cancel:"
                column.markdown(f"{icon} {plain(claim.plain, MOST_TOLD)}")
    return seen


def choose_classes(bundle: Bundle, shown: list[Shown]) -> list[str]:
    """Some of the classes that have images."""
    offered = held_classes(bundle)
    classes = pick_several(
        "**Classes**",
        offered,
        default=usual_classes(bundle, shown),
        key="pills_classes",
        name="classes",
        most=MOST_CLASSES,
        format_func=plain,
    )
    if len(offered) < len(bundle.classes):
        st.caption(
            f"Of the {len(bundle.classes):,} classes that the model tells apart, "
            f"{len(offered):,} have images here."
        )
    return classes


def choose_layers(bundle: Bundle) -> tuple[list[str], str]:
    """Some of the layers, with two shortcuts; how a convolution's positions become one number."""
    last = bundle.layers[-2:]
    layers = pick_several(
        "**Layers**",
        bundle.layers,
        default=last,
        key="pills_layers",
        name="layers",
        format_func=plain,
    )
    row = st.container(horizontal=True, gap="small")
    whole, every = "All layers", bundle.layers
    if len(every) > MOST_PANELS:
        whole = f"{SPREAD} from first to last"
        every = tuple(every[place] for place in evenly(len(every), SPREAD))
    for key, label, chosen in (("all_layers", whole, every), ("last_two", "Last two", last)):
        row.button(
            label,
            on_click=st.session_state.update,
            args=({"pills_layers": list(chosen)},),
            key=key,
            type="tertiary",
            disabled=layers == list(chosen),
        )
    return layers, choice(
        row.popover("More", type="tertiary").segmented_control,
        "**Convolution neurons as**",
        ("mean", "max"),
        default="max",
        key="reduction",
        format_func=lambda r: {"mean": "mean over positions", "max": "strongest position"}[r],
        help="A convolution neuron has a value at every position; this picks one number.",
    )


@st.fragment
def picture(
    bundle: Bundle, message: bytes, marks: dict[str, tuple[int, ...]], classes: list[str]
) -> None:
    """The Activation view; a change in it makes this part again, and not the whole page.

    Args:
        bundle: on show.
        message: what the view draws; as it stays the same, it is not sent again.
        marks: that the rest of the page was made with.
        classes: that are drawn.
    """
    state = view_state(bundle)
    if state.marks != marks and (recall(TABLE) or recall("closer") == PLACES):
        st.rerun()
    activation_view(message, key=CANVAS, on_change=lambda: take_change(bundle, CANVAS))
    marked = [Unit(layer, unit) for layer, units in state.marks.items() for unit in units]
    if marked:
        told = "this neuron" if len(marked) == 1 else f"these {len(marked)} neurons"
        graph_button(bundle, f"See {told} in the Concept Graph", marked, classes[:1], "to_graph")


def numbers(
    bundle: Bundle,
    drawn: list[LayerPanel],
    classes: list[str],
    shown: list[Shown],
    state: ViewState,
) -> None:
    """The table behind the picture, with a download."""
    units = sum(panel.density.shape[1] for panel in drawn)
    label = f"Numbers: {counted(units, 'neuron')} of {counted(len(drawn), 'layer')}"
    # Made when it is opened: for all layers the table outweighs the picture.
    with box(st.expander, label, key=TABLE) as opened:
        if not opened.open:
            return
        frame = table_of(drawn, classes, [item.label for item in shown], state.marks)
        only = switch(st.checkbox, "Marked only", key="table_marked")
        chosen = frame[frame["marked"]] if only else frame
        st.dataframe(chosen, hide_index=True, key="numbers")
        csv_button(chosen, f"{bundle.name}-neurons.csv", "numbers_csv")


def draw(
    bundle: Bundle,
    shown: list[Shown],
    layers: list[str],
    classes: list[str],
    reduction: str,
    seen: list[Claim],
) -> None:
    """What was chosen as a picture, the numbers of the claims, and the table."""
    if not layers or not (classes or shown):
        st.info("Choose at least one layer, and a class or an image, to see their neurons.")
        return
    reading = read(bundle, [item.pixels for item in shown]) if shown else None
    fitting = fitting_layers(bundle, layers, len(classes))
    if len(fitting) < len(layers):
        st.caption(
            f"The first {counted(len(fitting), 'layer')} of {len(layers)}: more rows than these "
            "are not drawn at once. Choose other layers, or fewer classes."
        )
    drawn = panels(bundle, fitting, classes, reduction, reading)
    state = view_state(bundle)
    message = message_of(
        drawn,
        class_styles(bundle, classes),
        [Instance(s.key, s.label, s.colour, s.shape, s.entry) for s in shown],
        sent_state(),
    )
    picture(bundle, message, state.marks, classes)
    for claim in seen:
        st.caption(f"{claim.view}. {plain(claim.sentence, MOST_TOLD)}")
    numbers(bundle, drawn, classes, shown, state)


def closer(bundle: Bundle, pair: Pair, layers: list[str], state: ViewState) -> None:
    """Depth, spread and place of the pair; a tab is computed when it is opened."""
    reading = read(bundle, pair.images)
    draw: dict[str, Callable[[], None]] = {
        "Depth profile": lambda: depth_panel(bundle, pair, reading),
        "How the change spreads": lambda: propagation_panel(bundle, pair),
        PLACES: lambda: positions_panel(bundle, pair, state.marks, layers),
    }
    for tab, panel in zip(tabs(list(draw), key="closer"), draw.values(), strict=True):
        if tab.open:
            with tab:
                panel()


def main() -> None:
    """Lay out the page."""
    bundle = setup("Activation Explorer")
    if bundle is None:
        return
    st.title("Activation Explorer")
    if not story_banner(EXPLORER):
        st.caption(
            "Each row is a neuron, each dot an image; the more opaque, the more images of its "
            "class. Point at a row for its numbers, click it to mark it."
        )
    if bundle.limit:
        st.info(bundle.limit)
    offer_example(bundle)
    st.html(STYLE)
    halves = st.container(horizontal=True, gap="medium")
    view, choices = halves.container(key="neurons"), halves.container(width=CHOICES_WIDTH)
    with choices:
        shown = instances_view(bundle)
        pair = current_pair(bundle)
        forget("pills_classes", pair_key(bundle, pair) if pair else bundle.name, "classes")
        colour_pills(bundle)
        classes = choose_classes(bundle, shown)
        layers, reduction = choose_layers(bundle)
    with view:
        seen = story(bundle, pair) if pair is not None and pair.attacked is not None else []
        draw(bundle, shown, layers, classes, reduction, seen)
    if pair is not None and not bundle.limit:
        closer(bundle, pair, layers, view_state(bundle))


main()
