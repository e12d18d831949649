"""Placing images on a graph, where classes part, stability of edges, and the drawing."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ndcore.errors import StoppedError
from ndcore.statistics.intervals import Rate
from ndcore.topology.branches import branches
from ndcore.topology.document import graph_document
from ndcore.topology.layout import layout, widest
from ndcore.topology.mapper import MapperGraph, MapperSettings, mapper_graph
from ndcore.topology.nodes import node_facts
from ndcore.topology.placing import Yardstick, place, way, yardstick
from ndcore.topology.space import Space
from ndcore.topology.stability import edge_stability, found_again
from tests.topology.planted import fork, vectors_of

SETTINGS = MapperSettings(0.1, intervals=12, overlap=0.3, min_samples=3)


def made(space: Space, settings: MapperSettings = SETTINGS) -> MapperGraph:
    return mapper_graph(space.wide, space.lens("norm"), settings)


@pytest.mark.spec("TA-6")
def test_the_node_where_the_classes_part_is_ranked_first() -> None:
    space = fork()
    graph = made(space)
    facts = node_facts(space, graph, 2)
    found = branches(graph, facts, 0, 1)
    members = graph.nodes[found[0].node]
    assert (members < 200).any(), "the trunk"
    assert (members >= 200).any(), "and the arms"
    assert facts.purity[list(found[0].towards)].tolist() == [1, 1]
    assert found[0].apart == 1
    assert found[0].share.n == len(members)
    assert [each.score for each in found] == sorted((each.score for each in found), reverse=True)
    turned = branches(graph, facts, 1, 0)
    assert turned[0].towards == found[0].towards[::-1]


@pytest.mark.spec("TA-4")
def test_facts_of_nodes_are_counts_of_their_images() -> None:
    space = fork()
    space.predicted[:] = 0
    graph = made(space)
    facts = node_facts(space, graph, 3)
    for node, members in enumerate(graph.nodes):
        labels = space.labels[members]
        assert facts.classes[node].tolist() == np.bincount(labels, minlength=3).tolist()
        assert facts.purity[node] == np.bincount(labels).max() / len(labels)
        assert facts.error[node] == pytest.approx((labels != 0).mean())
        assert facts.norm[node] == pytest.approx(space.lens("norm")[members].mean())
        assert facts.commonest()[node][0] == facts.majority[node]
    document = graph_document(space, graph, facts, ("a", "b", "c"), "norm")
    assert document["nodes"][0]["images"] == space.keys[graph.nodes[0]].tolist()
    assert sum(document["nodes"][0]["classes"].values()) == document["nodes"][0]["size"]
    assert {*document["edges"][0]} == {"from", "to", "jaccard", "shared"}


@pytest.mark.spec("TA-5")
def test_a_vector_lies_where_its_neighbours_do_and_the_way_is_the_shortest() -> None:
    space = fork()
    graph = made(space)
    again = place(graph, space.wide, space.wide, space.lens("norm"))
    for node, members in enumerate(graph.nodes):
        cores = set(graph.cores[node].tolist())
        assert all(node in again.nodes[at] for at in members.tolist() if at in cores)
    ends = vectors_of(np.array([[2.9, 1.35, 0], [2.9, -1.35, 0], [2.0, 0, 2.0], [0, 0, 0]]))
    placed = place(graph, space.wide, ends.wide, space.lens_of(ends, "norm"))
    assert placed.nodes[0]
    assert placed.nodes[1]
    assert placed.nodes[2:] == ((), ())
    assert placed.beside == 2
    assert placed.distance[2] > 1
    assert placed.counts(len(graph.nodes)).sum() == sum(map(len, placed.nodes))
    path = way(graph, placed.nodes[0], placed.nodes[1])
    assert path[0] in placed.nodes[0]
    assert path[-1] in placed.nodes[1]
    edges = {frozenset(edge) for edge in graph.edges.tolist()}
    assert all(frozenset(step) in edges for step in pairwise(path))
    assert any((graph.nodes[node] < 200).any() for node in path), "by way of the trunk"
    assert way(graph, placed.nodes[0], ()) == ()
    assert way(graph, (3,), (3,)) == (3,)


@pytest.mark.spec("TA-6")
def test_an_edge_that_a_smaller_radius_cuts_is_not_stable() -> None:
    space = fork()
    graph = made(space)
    told: list[tuple[int, int]] = []
    found = edge_stability(
        graph, space.wide, space.lens("norm"), on_variant=lambda *at: told.append(at)
    )
    assert told[-1] == (len(found.variants), len(found.variants))
    assert set(found.variants) >= {"less epsilon", "more epsilon", "less overlap", "more intervals"}
    assert found.kept.shape == (len(found.variants), len(graph.edges))
    assert found.share.min() > 0.5, "the fork is dense: little hangs on the settings"
    gap = np.concatenate([np.linspace(1, 2, 101), np.linspace(2.03, 3, 98)])
    thin = Space.around(vectors_of(np.stack([gap, np.zeros(199)], 1)))
    at_risk = MapperSettings(0.032, intervals=6, overlap=0.3, min_samples=2)
    line = mapper_graph(thin.wide, thin.lens("norm"), at_risk)
    shaken = edge_stability(line, thin.wide, thin.lens("norm"))
    less, more = (shaken.kept[shaken.variants.index(f"{way} epsilon")] for way in ("less", "more"))
    assert more.all()
    assert 0 < (~less).sum() < len(less), "the gap is wider than the smaller radius"
    with pytest.raises(StoppedError):
        edge_stability(graph, space.wide, space.lens("norm"), should_stop=lambda: True)


def test_nodes_are_found_again_by_what_they_hold() -> None:
    space = fork()
    graph = made(space)
    assert found_again(graph, graph).tolist() == list(range(len(graph.nodes)))
    other = made(space, replace(SETTINGS, intervals=13))
    best = found_again(graph, other)
    for node, match in enumerate(best):
        assert set(graph.nodes[node]) & set(other.nodes[match])


def test_the_drawing_is_the_same_again_and_moves_little() -> None:
    space = fork()
    values, lens = space.wide, space.lens("norm")
    graph = made(space)
    places = layout(graph, values, lens)
    assert np.array_equal(places, layout(graph, values, lens))
    assert np.isfinite(places).all()
    span = np.ptp(places, axis=0).max()
    gaps = np.linalg.norm(places[:, None] - places[None], axis=2)
    np.fill_diagonal(gaps, np.inf)
    assert gaps.min() > 0.01 * span, "no two nodes on one place"
    near = made(space, replace(SETTINGS, overlap=0.31))
    moved = layout(near, values, lens)[found_again(graph, near)] - places
    assert np.median(np.linalg.norm(moved, axis=1)) < 0.1 * span
    edges = np.linalg.norm(places[graph.edges[:, 0]] - places[graph.edges[:, 1]], axis=1)
    assert np.median(edges) < np.median(gaps[np.isfinite(gaps)])


def test_nothing_is_drawn_of_nothing() -> None:
    space = fork()
    empty = made(space, replace(SETTINGS, epsilon=0.0, min_samples=5))
    assert empty.nodes == ()
    assert layout(empty, space.wide, space.lens("norm")).shape == (0, 2)
    assert place(empty, space.wide, space.wide[:2], np.ones(2)).nodes == ((), ())
    assert edge_stability(empty, space.wide, space.lens("norm")).share.shape == (0,)


def test_the_widest_direction_is_that_of_the_data(rng: np.random.Generator) -> None:
    values = rng.normal(size=(300, 5)).astype(np.float32) * np.array([1, 9, 1, 1, 1], np.float32)
    found = widest(values)
    assert abs(np.corrcoef(found, values[:, 1])[0, 1]) > 0.99
    assert np.array_equal(widest(np.ones((4, 3), np.float32)), np.zeros(4))


def test_vectors_that_made_no_graph_are_the_yardstick_for_those_that_are_laid_on_it() -> None:
    rng = np.random.default_rng(0)
    dense = rng.normal(0, 0.05, (400, 3)) + 1
    scattered = rng.uniform(2, 40, (100, 3))
    values = np.concatenate([dense, scattered]).astype(np.float32)
    lens = np.linalg.norm(values, axis=1).astype(np.float64)
    settings, wrong = MapperSettings(0.2, 10, 0.3, 5), np.arange(500) >= 400
    # The dense ones are in a cluster whatever the tenth, but for one at the edge of an interval;
    # the scattered ones in none.
    assert yardstick(values, lens, settings, wrong) == Yardstick(Rate(399, 400), Rate(0, 100))
    found = yardstick(values, lens, settings, wrong, tenths=1)
    assert (found.right.n + found.wrong.n, found.wrong.k) == (50, 0)
    mixed = yardstick(values, lens, settings, np.arange(500) % 2 == 0)
    assert (mixed.right.n, mixed.wrong.n, mixed.right.k + mixed.wrong.k) == (250, 250, 399)
