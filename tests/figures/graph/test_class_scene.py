"""What of a class's graph is drawn, and how large, wide and coloured it is."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ndcore.concept_graph.graph import COUNT, GRADIENT, HELD, INFLUENCE, Unit
from ndcore.figures.graph.class_scene import (
    Look,
    carried_by,
    changed_most,
    class_scene,
    key_of,
    sizes,
    strongest,
    unit_of,
    value_words,
)
from tests.figures.graph.planted_graph import edge, graph


@pytest.mark.spec("CG-5")
def test_size_tells_the_importance_and_width_the_influence() -> None:
    scene = class_scene(graph(), Look())
    sizes_of = {unit.key: unit.size for unit in scene.units}
    # The class's own unit has all the influence; the others are compared with each other.
    assert sizes_of == pytest.approx(
        {"conv:4": 0.5 / 0.6, "conv:7": 0.5, "conv:1": 0.1 / 0.6, "dense:2": 1, "dense:9": 1 / 3}
        | {"logits:3": 1}
    )
    by_ends = {(scene.units[e.source].key, scene.units[e.target].key): e for e in scene.edges}
    assert by_ends["dense:2", "logits:3"].weight == 1
    # Each step by itself: into the class runs more along each edge than into the layer before.
    assert by_ends["dense:9", "logits:3"].weight == pytest.approx(0.2 / 0.6)
    assert by_ends["conv:4", "dense:2"].weight == 1
    assert by_ends["conv:7", "dense:2"].weight == pytest.approx(0.15 / 0.4)
    assert by_ends["dense:9", "logits:3"].sign == -1
    assert not by_ends["conv:7", "dense:2"].stable
    assert by_ends["conv:4", "dense:2"].stable
    assert [unit.label for unit in scene.units] == [""] * 5 + ["cat"]


def test_a_negative_importance_is_large_too() -> None:
    units = class_scene(graph(), Look(kind=GRADIENT)).units
    assert max(units, key=lambda unit: unit.size).key in ("dense:2", "logits:3")
    assert ("activation x gradient", "-1.8") in units[3].told


def test_what_was_not_measured_has_no_size() -> None:
    assert all(unit.size == 0 for unit in class_scene(graph(), Look(kind=HELD)).units)
    assert value_words(HELD, math.nan) == "not measured"
    assert value_words(COUNT, 0.314) == "31.4%"


def test_only_the_strongest_edges_are_drawn_but_every_unit_leads_on() -> None:
    edges = graph().edges
    kept = strongest(edges, 1, lambda each: each.share)
    ends = {(key_of(each.source), key_of(each.target)) for each in kept}
    assert ends == {
        ("dense:2", "logits:3"),
        ("dense:9", "logits:3"),
        ("conv:4", "dense:2"),
        ("conv:4", "dense:9"),
        ("conv:7", "dense:2"),
        ("conv:1", "dense:2"),
    }
    assert len(strongest(edges, 9, lambda each: each.share)) == len(edges)
    assert carried_by(kept, edges) == pytest.approx(1.47 / 1.48)
    assert math.isnan(carried_by([], []))


def test_the_words_of_an_edge() -> None:
    scene = class_scene(graph(), Look())
    told = {(scene.units[e.source].key, scene.units[e.target].key): e.told for e in scene.edges}
    assert told["conv:7", "dense:2"] == (
        ("of what the target receives", "-25.0%"),
        ("of the class's influence", "15.00%"),
        ("among its five strongest", "6 of 10 parts"),
    )
    assert told["conv:4", "dense:9"][-1] == ("by images", "25%")


def test_a_pair_lies_over_the_class() -> None:
    benign = graph()
    moved = {("conv", 7): 0.5, ("conv", 4): 0.2}
    nodes = [
        replace(node, importance={INFLUENCE: moved.get(tuple(node.unit), node.influence)})
        for node in benign.nodes
    ]
    edges = [
        replace(each, share=0.35) if each.source.unit == 7 and each.target.unit == 2 else each
        for each in benign.edges
    ]
    attacked = replace(benign, nodes=tuple(nodes), edges=tuple(edges))
    scene = class_scene(graph(), Look(), (benign, attacked))
    bars = {unit.key: unit.pair for unit in scene.units}
    assert bars["conv:7"] == pytest.approx((0.5, 0.5 / 0.6))
    assert bars["conv:4"] == pytest.approx((0.5 / 0.6, 0.2 / 0.6))
    marked = [
        (scene.units[e.source].key, scene.units[e.target].key) for e in scene.edges if e.marked
    ]
    assert marked == [("conv:7", "dense:2")]
    assert ("influence, attacked image", "50.0%") in scene.units[1].told
    assert {entry.kind for entry in scene.legend} >= {"pair", "changed"}
    assert not class_scene(graph(), Look()).edges[0].marked
    assert changed_most(benign.edges, benign, benign) == set()


def test_groups_names_and_pictures_are_drawn() -> None:
    look = Look(
        pictures={Unit("dense", 2): np.zeros((2, 2, 1), np.uint8)},
        groups={Unit("conv", 4): 1},
        group_names=("ears", "fur"),
    )
    named = replace(graph().nodes[0], name="stripes")
    scene = class_scene(replace(graph(), nodes=(named, *graph().nodes[1:])), look)
    assert [unit.group for unit in scene.units] == [1, -1, -1, -1, -1, -1]
    assert (scene.units[0].name, scene.units[0].label) == ("stripes", "stripes")
    assert [name for name, _ in scene.groups] == ["ears", "fur"]
    marked = class_scene(graph(), Look(marked=frozenset({Unit("dense", 9)}), marked_as="asked"))
    assert [unit.key for unit in marked.units if unit.marked] == ["dense:9"]
    assert "asked" in [entry.text for entry in marked.legend]
    assert sum(picture is not None for picture in scene.pictures) == 1
    assert {entry.text for entry in scene.legend} >= {"ears", "fur"}


def test_keys_name_units() -> None:
    assert unit_of(key_of(Unit("a:b.c", 12))) == Unit("a:b.c", 12)
    for nonsense in ("", "x", ":3", "a:-1", "a:²", "a:"):
        assert unit_of(nonsense) is None


def test_of_nothing_the_size_is_nothing() -> None:
    assert sizes([])(0.0) == 0
    assert sizes([math.nan, 0.0])(0.0) == 0
    assert strongest([], 3, lambda each: each.share) == []
    assert edge(("a", 1), ("b", 1), 0.1, 0.1).stable
