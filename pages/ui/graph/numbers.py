"""The numbers behind the drawing, as tables and files."""

from __future__ import annotations

import json
from typing import Any

import streamlit as st

from ndcore.bundles.bundle import Bundle
from pages.ui.elements.csv_button import csv_button
from pages.ui.elements.download import download
from pages.ui.frame.link import box
from pages.ui.frame.words import counted
from pages.ui.graph.drawn import Drawn, nodes_of
from pages.ui.graph.tables import edge_table, unit_table


def numbers(bundle: Bundle, drawn: Drawn) -> None:
    """Both tables with their files, and the whole graph as JSON, with all names."""
    name = f"{bundle.name}-graph"
    units, edges = len(nodes_of(drawn.graph)), len(drawn.graph.edges)
    label = f"Numbers: {counted(units, 'neuron')} and {counted(edges, 'edge')}"
    row = st.container(horizontal=True)
    with box(st.expander, label, key="graph_numbers") as opened:
        if opened.open:
            for kind, frame in (
                ("neurons", unit_table(drawn.graph)),
                ("edges", edge_table(drawn.graph)),
            ):
                st.dataframe(frame, hide_index=True, key=f"graph_{kind}", height=260)
                csv_button(frame, f"{name}-{kind}.csv", f"graph_{kind}_csv")
    download(
        "Graph as JSON",
        lambda: json.dumps(document(bundle, drawn), indent=1),
        f"{name}.json",
        key="graph_json",
        place=row,
    )


def document(bundle: Bundle, drawn: Drawn) -> dict[str, Any]:
    """The graph with the names of its units and groups."""
    groups = [
        {
            "name": name,
            "units": [unit.to_dict() for unit, group in drawn.groups.items() if group == at],
        }
        for at, name in enumerate(drawn.group_names)
    ]
    head = {"bundle": bundle.name, "weight_hash": bundle.weight_hash}
    return head | drawn.graph.to_dict() | ({"groups": groups} if groups else {})
