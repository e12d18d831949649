"""The mapper graph against zen-mapper, and what its settings may be."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks.topology import made_up, zen_graph
from ndcore.errors import BadRequestError
from ndcore.topology.mapper import MapperGraph, MapperSettings, mapper_graph
from ndcore.topology.presets import PRESETS
from ndcore.topology.space import Space, elbow
from tests.topology.planted import fork, vectors_of

Graph = tuple[set[frozenset[int]], set[frozenset[frozenset[int]]]]


def ours(graph: MapperGraph) -> Graph:
    nodes = [frozenset(members.tolist()) for members in graph.nodes]
    return set(nodes), {frozenset(nodes[end] for end in edge) for edge in graph.edges}


def theirs(found: object) -> Graph:
    nodes = [frozenset(map(int, members)) for members in found.nodes]
    return set(nodes), {frozenset(nodes[end] for end in edge) for edge in found.nerve[1]}


def circles() -> Space:
    rng = np.random.default_rng(0)
    turn = rng.uniform(0, 2 * np.pi, 600)
    ring = np.stack([np.cos(turn), np.sin(turn)], 1) * rng.choice([1, 3], (600, 1))
    return Space.around(vectors_of(ring + 4 + 0.05 * rng.normal(size=(600, 2))))


def digits() -> Space:
    return Space.around(vectors_of(load_digits().data[:900]))


SETS = {"circles": circles, "digits": digits, "layer": lambda: Space.around(made_up(900, 64))}


@pytest.mark.spec("TA-1")
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", SETS)
def test_the_graph_is_that_of_zen_mapper(name: str, preset: str) -> None:
    space = SETS[name]()
    values, lens = space.wide, space.lens("norm")
    settings = PRESETS[preset].settings(space)
    graph = mapper_graph(values, lens, settings)
    nodes, edges = ours(graph)
    assert (nodes, edges) == theirs(zen_graph(values, lens, settings))
    assert len(nodes) == len(graph.nodes) > 5
    assert len(edges) == len(graph.edges) > 2


def test_edges_say_what_their_nodes_share() -> None:
    space = fork()
    graph = mapper_graph(space.wide, space.lens("norm"), PRESETS["usual"].settings(space))
    for (start, end), shared, jaccard in zip(graph.edges, graph.shared, graph.jaccard, strict=True):
        one, other = set(graph.nodes[start].tolist()), set(graph.nodes[end].tolist())
        assert start < end
        assert shared == len(one & other) > 0
        assert jaccard == pytest.approx(len(one & other) / len(one | other))
    held = set(np.concatenate(graph.nodes).tolist())
    assert graph.loose == len(space) - len(held)
    assert set(np.concatenate(graph.cores).tolist()) <= held


@pytest.mark.spec("TA-2")
def test_epsilon_is_read_off_the_curve() -> None:
    space = digits()
    curve = space.curve(5)
    assert np.all(np.diff(curve) >= 0)
    epsilon = space.epsilon(5, 0.9)
    far = np.linalg.norm(space.wide[:, None] - space.wide[None], axis=2)
    assert ((far <= epsilon).sum(1) >= 5).mean() == pytest.approx(0.9, abs=0.01)
    assert elbow(np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 100])) == pytest.approx(8 / 9)
    assert elbow(np.ones(5)) == 1


def test_presets_are_what_they_say() -> None:
    space = digits()
    usual, published = (PRESETS[name].settings(space) for name in ("usual", "topoact"))
    assert (usual.intervals, usual.overlap, usual.min_samples) == (40, 0.3, 5)
    assert (published.intervals, published.overlap, published.min_samples) == (40, 0.2, 5)
    assert published.epsilon == space.epsilon(5, elbow(space.curve(5)))
    assert PRESETS["topoact"].positions == "random"


@pytest.mark.parametrize(
    "wrong", [{"intervals": 0}, {"overlap": 1.0}, {"epsilon": -1.0}, {"min_samples": 0}]
)
def test_impossible_settings_are_one_sentence(wrong: dict[str, float]) -> None:
    with pytest.raises(BadRequestError, match="must"):
        MapperSettings(**({"epsilon": 1.0} | wrong))


def test_vectors_that_are_all_alike_are_one_node() -> None:
    space = Space.around(vectors_of(np.ones((30, 4))))
    graph = mapper_graph(space.wide, space.lens("norm"), PRESETS["usual"].settings(space))
    assert [len(members) for members in graph.nodes] == [30]
    assert not len(graph.edges)


def test_a_vector_without_a_lens_is_in_no_node() -> None:
    space = fork()
    lens = space.lens("norm")
    lens[:10] = np.nan
    graph = mapper_graph(space.wide, lens, PRESETS["usual"].settings(space))
    assert min(np.concatenate(graph.nodes)) == 10
    lens[:] = np.nan
    assert mapper_graph(space.wide, lens, PRESETS["usual"].settings(space)).nodes == ()


def test_what_would_take_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndcore.topology.mapper.MOST_BYTES", 10_000)
    space = fork()
    with pytest.raises(BadRequestError, match="choose a smaller epsilon"):
        mapper_graph(space.wide, space.lens("norm"), MapperSettings(100.0, intervals=2))
