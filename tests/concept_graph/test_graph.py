"""The form of a concept graph in JSON, and what it says of undefined values."""

from __future__ import annotations

import json
import math

from ndcore.concept_graph import (
    COUNT,
    INFLUENCE,
    Change,
    ConceptGraph,
    DifferenceGraph,
    Edge,
    EdgeChange,
    Level,
    Node,
    NodeChange,
    Patch,
    Unit,
)

EYES, CAT = Unit("dense_1", 7), Unit("dense_2", 3)
DRIVEN = Edge(EYES, CAT, influence=-0.25, share=0.5, stability=0.8, count=0.6)
PATCH = Patch("train:4", 2.5, (-1, 0, 4, 5))


def graph(influence: float = 0.5) -> ConceptGraph:
    nodes = (
        Node(EYES, {INFLUENCE: influence, COUNT: math.nan}, (PATCH,), name="eyes"),
        Node(CAT, {INFLUENCE: 1.0}),
    )
    levels = (Level("dense_1", 32, 1, influence), Level("dense_2", 10, 1, 1.0))
    return ConceptGraph("cat", 3, levels, nodes, (DRIVEN,), influence, 450, 10)


def test_json_is_what_the_contract_says_and_keeps_undefined_apart_from_zero() -> None:
    found = json.loads(json.dumps(graph().to_dict(), allow_nan=False))
    assert found["carried"] == 0.5
    node = found["nodes"][0]
    assert (node["layer"], node["unit"], node["importance"], node["name"]) == (
        "dense_1",
        7,
        0.5,
        "eyes",
    )
    assert node["importances"] == {"influence": 0.5, "count": None}
    assert node["patches"] == [{"image": "train:4", "activation": 2.5, "box": [-1, 0, 4, 5]}]
    assert found["edges"] == [
        {
            "from": {"layer": "dense_1", "unit": 7},
            "to": {"layer": "dense_2", "unit": 3},
            "influence": -0.25,
            "share": 0.5,
            "stability": 0.8,
            "count": 0.6,
        }
    ]
    assert graph().to_dict(COUNT)["nodes"][0]["importance"] is None
    assert graph(math.nan).to_dict()["carried"] is None


def test_an_edge_that_folds_disagree_on_is_not_stable_and_one_of_a_single_image_is() -> None:
    assert not DRIVEN.stable
    assert Edge(EYES, CAT, 0.1, 0.1, stability=0.9).stable
    assert Edge(EYES, CAT, 0.1, 0.1).stable


def test_a_difference_is_clear_from_two_standard_errors_on() -> None:
    clear, grey, unknown = (Change(0.5, 0.25, z) for z in (-2.0, 1.9, math.nan))
    assert clear.clear
    assert not grey.clear
    assert not unknown.clear
    first = graph()
    nodes = (NodeChange(first.nodes[0], clear),)
    edges = (EdgeChange(DRIVEN, unknown),)
    found = DifferenceGraph(first, graph(0.25), INFLUENCE, nodes, edges).to_dict()
    assert found["carried"] == 0.25
    assert found["nodes"][0]["importance"] == 0.25
    assert found["nodes"][0]["clear"]
    assert (found["edges"][0]["influence"], found["edges"][0]["z"]) == (0.25, None)
