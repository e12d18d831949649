"""Differences, and the lanes of an attack."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ndcore.concept_graph.differing import exploited
from ndcore.concept_graph.graph import INFLUENCE, ConceptGraph, Unit
from ndcore.figures.graph.class_scene import Look
from ndcore.figures.graph.compared_scenes import attack_scene, difference_scene
from ndcore.figures.graph.scene import Scene
from tests.figures.graph.planted_graph import difference, edge, graph, node


def dog() -> ConceptGraph:
    """Shares conv 7 and dense 2 with the cat, and has units of its own."""
    nodes = (node("conv", 7, 0.6), node("conv", 11, 0.2), node("dense", 2, 0.3))
    nodes += (node("dense", 5, 0.5), node("logits", 5, 1.0))
    edges = (
        edge(("dense", 5), ("logits", 5), 0.5, 0.5),
        edge(("conv", 7), ("dense", 2), 0.35, 0.3),
        edge(("conv", 7), ("dense", 5), 0.3, 0.3),
    )
    return replace(graph("dog", 5), nodes=nodes, edges=edges)


def attacked_cats() -> ConceptGraph:
    """Cats with an attack: conv 1 and dense 5 carry what they did not carry before."""
    moved = {Unit("conv", 1): 0.5, Unit("conv", 4): 0.15}
    nodes = [
        replace(each, importance={INFLUENCE: moved.get(each.unit, each.influence)})
        for each in graph().nodes
    ]
    nodes = [*nodes[:5], node("dense", 5, 0.3), node("logits", 5, 1.0)]
    edges = (
        edge(("conv", 1), ("dense", 5), 0.7, 0.3),
        edge(("dense", 5), ("logits", 5), 0.3, 0.3),
        edge(("conv", 4), ("dense", 2), 0.2, 0.1),
        edge(("dense", 2), ("logits", 5), 0.2, 0.1),
    )
    return replace(graph("attacked cat", 5), nodes=tuple(nodes), edges=edges)


def ends(scene: Scene) -> dict[tuple[str, str], object]:
    return {(scene.units[e.source].key, scene.units[e.target].key): e for e in scene.edges}


def test_a_difference_has_a_sign_and_is_grey_within_its_error() -> None:
    scene = difference_scene(difference(graph(), dog()), Look())
    units = {unit.key: unit for unit in scene.units}
    assert (units["conv:4"].sign, units["conv:4"].faint) == (1, False)
    assert (units["conv:7"].sign, units["conv:7"].faint) == (-1, False)
    assert ("difference", "-30.0 points") in units["conv:7"].told
    found = ends(scene)["conv:7", "dense:2"]
    assert (found.sign, found.faint, found.stable) == (-1, False, False)
    assert ("z", "-12.0") in found.told
    slight = difference(graph(), replace(graph("dog", 3), nodes=(node("conv", 4, 0.45),)))
    drawn = {unit.key: unit for unit in difference_scene(slight, Look()).units}
    assert drawn["conv:4"].faint
    assert drawn["conv:4"].size < drawn["dense:2"].size


def test_of_each_layer_those_that_differ_most_are_drawn() -> None:
    scene = difference_scene(difference(graph(), dog()), Look(), most=1)
    assert [unit.key for unit in scene.units][1:] == ["dense:5", "conv:4"]  # equal: as given
    assert scene.units[0].label in ("cat", "dog")
    assert [unit.size for unit in scene.units] == [1, 1, 1]
    assert all(max(e.source, e.target) < 3 for e in scene.edges)


@pytest.mark.spec("CG-7")
def test_an_attack_exploits_what_grew_clearly() -> None:
    found = difference(attacked_cats(), graph())
    assert exploited(found) == [Unit("logits", 5), Unit("conv", 1), Unit("dense", 5)]
    scene = attack_scene(graph(), dog(), found, Look())
    lanes = {unit.key: scene.bands[unit.band] for unit in scene.units}
    assert lanes["conv:4"] == "cat alone"
    assert lanes["conv:7"] == lanes["dense:2"] == "both classes"
    assert lanes["conv:11"] == "dog alone"
    assert lanes["conv:1"] == lanes["dense:5"] == "exploited by the attack"
    assert ends(scene)["conv:1", "dense:5"].marked
    assert not ends(scene)["conv:4", "dense:2"].marked
    labels = {unit.key: unit.label for unit in scene.units}
    assert (labels["logits:3"], labels["logits:5"]) == ("cat", "dog")


def test_a_lane_holds_the_strongest_of_a_layer() -> None:
    scene = attack_scene(graph(), dog(), difference(graph(), graph()), Look(), most=1)
    assert [unit.key for unit in scene.units if unit.key.startswith("conv")] == [
        "conv:4",
        "conv:7",
        "conv:11",
    ]
    assert not any(unit.band == 3 for unit in scene.units)
