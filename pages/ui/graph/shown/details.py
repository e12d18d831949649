"""The neuron or the edge that is kept: its pictures and all its numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.concept_graph import ConceptGraph, Patch, Unit
from ndcore.data.catalog import Find
from ndcore.data.decode import encode_png
from ndcore.errors import NeuralDivergenceError
from ndcore.evolution.patches import cut_patches
from ndcore.figures.evolution.tiles import PictureRow, picture_rows
from ndcore.figures.graph.class_scene import key_of
from ndcore.figures.graph.scene import Told
from pages.ui.elements.csv_button import formats
from pages.ui.elements.side_by_side import side_by_side
from pages.ui.frame.link import text
from pages.ui.frame.words import plain
from pages.ui.graph.shown.drawn import Drawn, name_key
from pages.ui.graph.shown.tables import OF_EDGES, about_columns, edge_table

Absent = Callable[[Unit, DeltaGenerator], None]
SHOWN = 8  # patches
HALF = "24rem"
TABLE_PX = 200


def details(
    drawn: Drawn,
    units: tuple[Unit, ...],
    find: Find | None = None,
    absent: Absent | None = None,
) -> None:
    """What there is to say of one unit, or of the two ends of an edge.

    Args:
        drawn: on show.
        units: kept ones.
        find: looks the images of patches up.
        absent: says where a unit stands that is not drawn; with it, units can be given names.
    """
    if not units:
        st.caption("Click a neuron or an edge: its pictures and its numbers stand here then.")
        return
    halves = side_by_side("graph_details", HALF)
    if len(units) == 1:
        # Where two graphs are compared the tables need the whole width.
        beside = halves if isinstance(drawn.graph, ConceptGraph) else st.container()
        left, right = halves.container(), beside.container()
        _pictures(drawn, units[0], find, left)
        _importance(drawn, units[0], left, absent)
        if drawn.node(units[0]) is not None:
            _edges(drawn, units[0], right)
        return
    for unit in units:
        _pictures(drawn, unit, find, halves.container())
    ends = tuple(map(key_of, units))
    edges = {
        (drawn.scene.units[edge.source].key, drawn.scene.units[edge.target].key): edge.told
        for edge in drawn.scene.edges
    }
    if ends in edges:
        _told("edge", edges[ends], st.container())
    else:
        st.info("This edge is not in the drawing.")


def _importance(drawn: Drawn, unit: Unit, place: DeltaGenerator, absent: Absent | None) -> None:
    shown = drawn.shown(unit)
    if shown is None and absent is not None:
        absent(unit, place)
    elif shown is None:
        place.info("This neuron is not in the drawing: others of its layer count for more.")
    if shown is None:
        return
    _told("importance", shown.told, place)
    if absent is not None and not shown.is_class:
        text(
            place.text_input,
            "Name of this neuron",
            key=f"graph_{name_key(unit)}",
            name=name_key(unit),
            placeholder="What does it answer to?",
        )


def _edges(drawn: Drawn, unit: Unit, place: DeltaGenerator) -> None:
    for title, frame in (
        ("What drives it", edge_table(drawn.graph, drawn.classes, into=unit)),
        ("What it drives", edge_table(drawn.graph, drawn.classes, out_of=unit)),
    ):
        place.markdown(f"**{title}**")
        if frame.empty:
            place.caption("No edge of the graph.")
        else:
            frame = frame.drop(columns="to" if title == "What drives it" else "from")
            _numbers(drawn, frame, place)


def _numbers(drawn: Drawn, frame: pd.DataFrame, place: DeltaGenerator) -> None:
    about = about_columns(frame, OF_EDGES, drawn.graph)
    shares = [name for name in frame if name in ("influence", "share", "stability", "count")]
    place.dataframe(
        frame,
        hide_index=True,
        height=min(TABLE_PX, 36 * (len(frame) + 1)),
        column_config=formats({"percent": shares, "%.1f": ["z"] if "z" in frame else []}, about),
    )


def _told(about: str, told: Told, place: DeltaGenerator) -> None:
    frame = pd.DataFrame(told, columns=[about, "value"])
    place.table(frame, border="horizontal", hide_index=True)


def _pictures(drawn: Drawn, unit: Unit, find: Find | None, place: DeltaGenerator) -> None:
    """The average of what drives the unit, and the patches whose images are on this machine."""
    node = drawn.node(unit)
    patches = node.patches[:SHOWN] if node and find else ()
    cut = _patches(find, patches) if find else []
    average = drawn.pictures.get(unit)
    words = "no picture was kept of it"
    if average is not None:
        words = "what drives it most, averaged" + (", and the patches" if cut else "")
    shown = drawn.shown(unit)
    name = node.name if node else ""
    row = PictureRow(
        shown.title
        if shown
        else f"{unit.layer} · neuron {unit.unit}" + (f" · {name}" if name else ""),
        None if average is None else encode_png(average),
        [encode_png(each) for each in cut],
        words,
    )
    place.html(picture_rows([row], large=88, small=52))
    if len(cut) < len(patches):
        place.caption(plain("Images of its patches are not on this machine.", 200))


def _patches(find: Find, patches: tuple[Patch, ...]) -> list[NDArray[np.uint8]]:
    """The patches, cut out of those images that are here."""
    found = []
    for patch in patches:
        try:
            pixels = find(patch.image)[0]
        except NeuralDivergenceError:
            continue
        box = patch.box or (0, 0, *pixels.shape[:2])
        found.append(cut_patches(pixels[None], np.array([box]))[0])
    return found
