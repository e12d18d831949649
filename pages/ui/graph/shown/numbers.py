"""The numbers behind the drawing, as tables and files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from ndcore.legible.plurals import counted
from pages.ui.elements.csv_button import csv_button, formats
from pages.ui.elements.download import download
from pages.ui.frame.link import box
from pages.ui.frame.words import plain
from pages.ui.graph.shown.drawn import Drawn, nodes_of
from pages.ui.graph.shown.tables import (
    OF_EDGES,
    OF_NEURONS,
    about_columns,
    edge_table,
    unit_table,
)


def numbers(name: str, about: Mapping[str, Any], drawn: Drawn) -> None:
    """Both tables with their files, and the whole graph as JSON, with all names.

    Args:
        name: of the files.
        about: whose graph it is, the head of the JSON.
        drawn: on show.
    """
    units, edges = len(nodes_of(drawn.graph)), len(drawn.graph.edges)
    label = f"Numbers: {counted(units, 'neuron')} and {counted(edges, 'edge')}"
    row = st.container(horizontal=True)
    with box(st.expander, label, key="graph_numbers") as opened:
        if opened.open:
            for kind, frame, known in (
                ("neurons", unit_table(drawn.graph, drawn.classes), OF_NEURONS),
                ("edges", edge_table(drawn.graph, drawn.classes), OF_EDGES),
            ):
                about_frame = about_columns(frame, known, drawn.graph)
                st.dataframe(
                    frame,
                    hide_index=True,
                    key=f"graph_{kind}",
                    height=260,
                    column_config=formats({}, about_frame),
                )
                told = (
                    f"**{plain(column, 80)}**: {words}" for column, words in about_frame.items()
                )
                st.caption(f"Of {kind}: {'; '.join(told)}.")
                csv_button(frame, f"{name}-{kind}.csv", f"graph_{kind}_csv")
    download(
        "Graph as JSON",
        lambda: json.dumps(document(about, drawn), indent=1),
        f"{name}.json",
        key="graph_json",
        place=row,
    )


def document(about: Mapping[str, Any], drawn: Drawn) -> dict[str, Any]:
    """The graph with the names of its units and groups."""
    groups = [
        {
            "name": name,
            "units": [unit.to_dict() for unit, group in drawn.groups.items() if group == at],
        }
        for at, name in enumerate(drawn.group_names)
    ]
    return {**about} | drawn.graph.to_dict() | ({"groups": groups} if groups else {})
