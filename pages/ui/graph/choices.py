"""What of the concept graphs is drawn, and how: the controls above the drawing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import COUNT, GRADIENT, HELD, INFLUENCE
from ndcore.data.pairs import Pair
from ndcore.figures.graph.class_scene import EDGES
from pages.ui.frame.link import choice, number, switch
from pages.ui.frame.words import plain

SHOW = "graph_show"  # key of the control, and its name in the link
CLASS, DIFFERENCE, ATTACK = "class", "difference", "attack"
VIEWS = {CLASS: "One class", DIFFERENCE: "A difference", ATTACK: "An attack"}
UNITS, MOST_UNITS, MOST_EDGES = 15, 30, 12
KINDS = {
    INFLUENCE: "influence on the class",
    COUNT: "share of images (Summit)",
    GRADIENT: "activation x gradient",
    HELD: "logit lost when held",
}
ABOUT_KIND = (
    "Influence: the share of what reaches the class's logit that passes through the neuron. "
    "Share of images: in how many it is among the strongest of its layer, as in Summit. "
    "Activation x gradient: what the logit owes to it to first order."
)
CHOICE_PX, OTHER_PX = 170, 230


@dataclass(frozen=True)
class Chosen:
    """What is drawn.

    Attributes:
        view: `CLASS`, `DIFFERENCE` or `ATTACK`.
        label: position of the class.
        other: position of the class that it is compared with; `label` itself where attacked images
            of the class are; the class that an attack turns it into. None where nothing is.
        kind: importance that sizes tell.
        units: at most so many of a layer.
        per_target: edges into each unit.
        with_pair: the current pair lies over it.
        grouped: alike units have rings of one colour.
    """

    view: str
    label: int
    other: int | None
    kind: str
    units: int
    per_target: int
    with_pair: bool
    grouped: bool


def choose(
    bundle: Bundle,
    pair: Pair | None,
    classes: Sequence[int],
    attacks: Mapping[int, Sequence[int]],
    kinds: Sequence[str],
) -> Chosen:
    """The controls, on one line where there is room.

    Args:
        bundle: on show.
        pair: the current one, or None.
        classes: that have graphs.
        attacks: class -> what stored attacks make of it.
        kinds: importances that were measured.
    """
    attacks = {label: known for label, found in attacks.items() if (known := _both(found, classes))}
    row = st.container(horizontal=True, vertical_alignment="bottom")
    view = choice(
        row.segmented_control,
        "Show",
        [CLASS, DIFFERENCE, *([ATTACK] if attacks else [])],
        key=SHOW,
        format_func=lambda name: VIEWS[name],
    )
    label = _label(bundle, row, _both(attacks, classes) if view == ATTACK else classes, pair)
    other = None
    if view != CLASS:
        others = [each for each in classes if each != label]
        if view == ATTACK:
            others = list(attacks[label])
        elif label in attacks:
            others.append(label)
        other = _other(bundle, row, view, label, others)
    over = False
    if view == CLASS and pair is not None and pair.attacked is not None and not bundle.unasked:
        over = switch(
            row.toggle,
            "The pair over it",
            key="graph_pair",
            help="How the benign and the attacked image of the current pair run through it.",
        )
    more = row.popover("More", icon=":material/tune:", key="graph_more")
    return Chosen(
        view=view,
        label=label,
        other=other,
        kind=choice(
            more.selectbox,
            "Sizes tell" if view == CLASS else "Compared by",
            kinds,
            key="graph_kind",
            format_func=lambda name: KINDS[name],
            help=ABOUT_KIND,
        ),
        units=number(
            more.slider, "Neurons of a layer, at most", 1, MOST_UNITS, UNITS, key="graph_units"
        ),
        per_target=number(
            more.slider, "Edges into each neuron", 1, MOST_EDGES, EDGES, key="graph_edges"
        ),
        with_pair=over,
        grouped=switch(more.toggle, "Mark alike neurons", key="graph_groups"),
    )


def _both(labels: Iterable[int], classes: Sequence[int]) -> list[int]:
    """Those of some labels that have graphs, in their order."""
    return [label for label in labels if label in classes]


def _label(bundle: Bundle, row: DeltaGenerator, classes: Sequence[int], pair: Pair | None) -> int:
    """The class: at first that of the current pair's benign image, else that of the paper."""
    names = [bundle.classes[label] for label in classes]
    usual = "cat" if pair is None or pair.label is None else bundle.classes[pair.label]
    name = choice(
        row.container(width=CHOICE_PX).selectbox,
        "Class",
        names,
        key="graph_class",
        default=usual if usual in names else names[0],
        format_func=plain,
    )
    return bundle.class_index(name)


def _other(
    bundle: Bundle, row: DeltaGenerator, view: str, label: int, others: Sequence[int]
) -> int | None:
    """What the class is compared with: another class, or its own attacked images (`label`)."""
    own = bundle.classes[label]
    names = [bundle.classes[each] for each in others]
    if not names:
        return None

    def told(name: str) -> str:
        return f"attacked images of {plain(name)}" if name == own else plain(name)

    name = choice(
        row.container(width=OTHER_PX).selectbox,
        "Less" if view == DIFFERENCE else "Taken for",
        names,
        key="graph_other",
        default="dog" if "dog" in names else names[0],
        format_func=told,
    )
    return bundle.class_index(name)
