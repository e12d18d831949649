"""Units that a link names: those that are ringed, and the way from one to the Explorer."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.figures.graph.class_scene import key_of, unit_of
from ndcore.legible.plurals import counted
from pages.ui.frame.link import just_linked, recall, refuse, remember
from pages.ui.frame.page_list import EXPLORER
from pages.ui.images.graph_link import RINGED

_STATE = "graph_ringed"
MOST = 64


def ringed_units(bundle: Bundle) -> tuple[Unit, ...]:
    """The units that the link or this session asks to be ringed, of those that there are."""
    asked = st.session_state.get(_STATE, [])
    if just_linked(RINGED) or not asked:
        asked = st.query_params.get_all(RINGED)[:MOST]
    units = {key: unit_of(key) for key in asked}
    fit = {key: unit for key, unit in units.items() if unit and exists(bundle, unit)}
    if len(fit) < len(units):
        refuse("neurons", [key for key in units if key not in fit])
    st.session_state[_STATE] = list(fit)
    remember(RINGED, list(fit))
    return tuple(fit.values())


def forget_rings() -> None:
    """Callback: no unit is ringed any more."""
    st.session_state.pop(_STATE, None)
    remember(RINGED, "")


def told_rings(ringed: Sequence[Unit], drawn: Sequence[str], never: int) -> DeltaGenerator:
    """How many of the ringed units are drawn, and a button that takes the rings away.

    Args:
        ringed: units.
        drawn: keys of those in the drawing.
        never: how many of them no setting draws.

    Returns:
        The place for further buttons.
    """
    here = sum(key_of(unit) in drawn for unit in ringed)
    st.markdown(
        f"{counted(len(ringed), 'neuron')} brought here, {here} of them in this drawing, ringed in "
        "red." + _the_rest(len(ringed) - here, never),
    )
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button("Take the rings away", on_click=forget_rings, key="graph_unring", type="tertiary")
    return row


def _the_rest(rest: int, never: int) -> str:
    """Why the rest of the ringed units is not drawn, and what draws it."""
    later = rest - never
    told = f" “More” lets {later} more of them be drawn." if later else ""
    if not never:
        return told
    which = "The others count" if never > 1 else "The other counts"
    where = "their numbers stand in the Activation Explorer"
    return f"{told} {which} for too little here to be drawn; {where}."


def exists(bundle: Bundle, unit: Unit) -> bool:
    """Whether the bundle has such a unit."""
    return unit.layer in bundle.layers and unit.unit < bundle.units(unit.layer)


def explorer_button(
    bundle: Bundle,
    units: Sequence[Unit],
    classes: Sequence[int],
    place: DeltaGenerator | None = None,
) -> None:
    """Opens the Explorer with these units marked and these classes drawn.

    Args:
        bundle, units, classes: to be opened.
        place: of the button of the units that are ringed; None for that of those that are kept.
    """
    label, key = "Open in the Activation Explorer", "graph_explorer"
    if place is not None:
        label, key = f"Open all {len(units)} in the {EXPLORER.name}", "graph_ringed_explorer"
    if not (place or st).button(label, icon=EXPLORER.icon, key=key):
        return
    marks: dict[str, list[str]] = {}
    for unit in units:
        marks.setdefault(unit.layer, []).append(str(unit.unit))
    token = recall("pair")
    link: dict[str, str | list[str]] = {
        "bundle": bundle.name,
        "layers": [layer for layer in bundle.layers if layer in marks],
        "classes": [bundle.classes[label] for label in dict.fromkeys(classes)],
        "marks": ";".join(f"{layer}:{','.join(numbers)}" for layer, numbers in marks.items()),
    }
    st.switch_page(EXPLORER.path, query_params=link | ({"pair": token} if token else {}))
