"""Groups of alike neurons: their rings in the drawing, and names that can be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from ndcore.analysis.unit_groups import unit_groups
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Unit
from ndcore.figures.style.marks import mark_image
from ndcore.figures.style.palette import cluster_colours
from ndcore.legible.plurals import counted
from pages.ui.elements.side_by_side import side_by_side
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import text
from pages.ui.graph.shown.drawn import typed


@st.cache_data(max_entries=64, show_spinner="Grouping the neurons …")
@known_signature
def _groups(weight_hash: str, units: tuple[Unit, ...], _bundle: Bundle) -> dict[Unit, int]:
    return unit_groups(_bundle, units)


def groups_of(bundle: Bundle, units: Sequence[Unit]) -> dict[Unit, int]:
    """Unit -> its group of units that answer alike to the classes."""
    return _groups(bundle.weight_hash, tuple(units), bundle)


def group_names(groups: Mapping[Unit, int]) -> tuple[str, ...]:
    """Names of the groups: those that somebody gave, else their number."""
    count = max(groups.values(), default=-1) + 1
    return tuple(
        typed(f"graph_group_{at}", f"group_{at}") or f"group {at}" for at in range(1, count + 1)
    )


def name_groups(groups: Mapping[Unit, int]) -> None:
    """A box for the name of each group; the names are in the link, the drawing and the JSON."""
    count = max(groups.values(), default=-1) + 1
    if not count:
        st.caption("No two of these neurons answer alike.")
        return
    st.caption(
        "Neurons that answer alike to the classes, whatever their layer, have rings of one "
        "colour. What you call them here stands in the legend, in the files and in the link."
    )
    boxes = side_by_side("graph_group_names", "13rem")
    for at, colour in enumerate(cluster_colours(count)):
        size = sum(group == at for group in groups.values())
        text(
            boxes.text_input,
            f"![group]({mark_image('ring', colour)}) {counted(size, 'neuron')}",
            key=f"graph_group_{at + 1}",
            name=f"group_{at + 1}",
            placeholder=f"group {at + 1}",
        )
