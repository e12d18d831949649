"""Tables say the numbers of the graph, row by row."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ndcore.concept_graph.graph import Unit
from pages.ui.graph.shown.tables import OF_EDGES, OF_NEURONS, about_columns, edge_table, unit_table
from tests.figures.graph.planted_graph import difference, graph


def test_a_class_has_its_importances() -> None:
    named = replace(graph().nodes[0], name="stripes")
    table = unit_table(replace(graph(), nodes=(named, *graph().nodes[1:])))
    assert table.iloc[0].to_dict() == {
        "layer": "conv",
        "neuron": 4,
        "name": "stripes",
        "influence": 0.5,
        "count": 0.25,
        "gradient": -1.5,
    }
    assert len(table) == 6


def test_edges_into_and_out_of_a_unit() -> None:
    into = edge_table(graph(), into=Unit("dense", 2))
    assert into["from"].tolist() == ["conv · 4", "conv · 7", "conv · 1"]
    assert into["influence"].tolist() == [0.5, -0.25, 0.05]
    out = edge_table(graph(), out_of=Unit("conv", 7))
    assert out[["to", "stability"]].to_numpy().tolist() == [["dense · 2", 0.6], ["dense · 9", 1.0]]
    assert edge_table(graph(), into=Unit("conv", 7)).empty
    assert len(edge_table(graph())) == 7


def test_the_neuron_of_a_class_is_called_by_it() -> None:
    known = {Unit("logits", 3): "cat"}
    assert edge_table(graph(), known, out_of=Unit("dense", 2))["to"].tolist() == [
        "logits · 3 (cat)"
    ]
    assert unit_table(graph(), known)["name"].tolist() == ["", "", "", "", "", "class cat"]


def test_a_difference_names_both() -> None:
    other = replace(graph("dog"), nodes=graph().nodes[1:])
    found = difference(graph(), other)
    row = unit_table(found).iloc[0].to_dict()
    assert (row["neuron"], row["cat"], row["dog"], row["difference"]) == (4, 0.5, 0.0, 0.5)
    assert row["z"] == pytest.approx(10)
    edges = edge_table(found)
    assert list(edges.columns) == ["from", "to", "cat", "dog", "difference", "z"]
    told = about_columns(edges, OF_EDGES, found)
    assert set(told) == {"cat", "dog", "difference", "z"}
    assert told["cat"] == told["dog"] == OF_EDGES["influence"]
    assert about_columns(unit_table(found), OF_NEURONS, found)["cat"] == OF_NEURONS[found.kind]
