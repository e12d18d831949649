"""What is drawn of what is known, what is kept in a file, and what differs between two classes."""

from __future__ import annotations

import io

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph.differing import difference
from ndcore.concept_graph.drawing import Rule, draw
from ndcore.concept_graph.graph import COUNT, HELD, INFLUENCE, Unit
from ndcore.concept_graph.kept import Keeper, KeptGraphs, sources_within
from ndcore.concept_graph.measured import Measured, measured
from ndcore.data.catalog import open_source
from ndcore.errors import BadRequestError
from tests.concept_graph.planted import LAYERS, noise, planted_circuit, summed


@pytest.fixture(scope="module")
def circuit() -> Measured:
    return measured(*summed(planted_circuit(), LAYERS, noise(40), 1))


@pytest.fixture
def digits(digits_bundle: Bundle) -> dict[int, Measured]:
    source = open_source("digits")
    found = {}
    for label in (3, 8):
        pixels = source.pixels(np.flatnonzero(source.labels == label)[:40])
        found[label] = measured(*summed(digits_bundle.model, digits_bundle.layers, pixels, label))
    return found


def test_the_drawing_of_a_planted_circuit_is_the_circuit(circuit: Measured) -> None:
    graph = draw(circuit, "one", Rule(nodes=1.0, edges=1.0))
    assert [node.unit for node in graph.nodes] == [
        Unit("first", 1),
        Unit("second", 2),
        Unit("second", 0),
        Unit("answer", 1),
    ]
    found = {(edge.source.unit, edge.target): edge for edge in graph.edges}
    assert set(found) == {
        (1, Unit("second", 2)),
        (1, Unit("second", 0)),
        (2, Unit("answer", 1)),
        (0, Unit("answer", 1)),
    }
    assert found[0, Unit("answer", 1)].influence < 0 < found[2, Unit("answer", 1)].influence
    assert found[1, Unit("second", 2)].share == pytest.approx(graph.nodes[1].influence)
    assert graph.carried == pytest.approx(1)
    assert [level.units for level in graph.levels] == [3, 4, 2]


@pytest.mark.spec("CG-3")
def test_units_up_to_a_share_and_a_number_and_nothing_hangs_in_the_air(
    circuit: Measured, digits: dict[int, Measured]
) -> None:
    few = draw(circuit, "one", Rule(nodes=0.5))
    assert [node.unit for node in few.nodes] == [
        Unit("first", 1),
        Unit("second", 2),
        Unit("answer", 1),
    ]
    second = circuit.values["second"][INFLUENCE].value[2]
    assert few.carried == pytest.approx((1 + second) / 2)
    assert few.levels[1].carried == pytest.approx(second)
    for most in (3, 15):
        graph = draw(digits[3], "three", Rule(most=most))
        sources = {edge.source for edge in graph.edges}
        targets = {edge.target for edge in graph.edges}
        last = digits[3].units and list(digits[3].units)[-1]
        first = next(iter(digits[3].units))
        assert max(level.drawn for level in graph.levels) <= most
        for node in graph.nodes:
            assert node.unit in sources or node.unit.layer == last
            assert node.unit in targets or node.unit.layer == first
        carried = [
            sum(node.influence for node in graph.nodes if node.unit.layer == level.layer)
            for level in graph.levels
        ]
        assert [level.carried for level in graph.levels] == pytest.approx(carried)
        assert graph.carried == pytest.approx(np.mean(carried[:-1]))
    wide, narrow = (draw(digits[3], "three", Rule(edges=share)) for share in (0.98, 0.5))
    assert len(narrow.edges) < len(wide.edges)


def kept_again(found: list[Measured], classes: int) -> KeptGraphs:
    keeper = Keeper(classes)
    for each in found:
        keeper.add(each)
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **keeper.arrays())
    with np.load(io.BytesIO(out.getvalue()), allow_pickle=False) as arrays:
        return KeptGraphs({key: arrays[key] for key in arrays.files})


def test_what_is_kept_draws_the_same_graph(digits: dict[int, Measured]) -> None:
    kept = kept_again(list(digits.values()), 2)
    assert kept.labels == (3, 8)
    for label, found in digits.items():
        first, second = (draw(each, "class") for each in (found, kept.of(label)))
        assert [node.unit for node in first.nodes] == [node.unit for node in second.nodes]
        assert first.carried == pytest.approx(second.carried, abs=1e-6)
        ends = {(edge.source, edge.target): edge for edge in second.edges}
        for edge in first.edges[:20]:
            same = ends[edge.source, edge.target]
            assert same.influence == pytest.approx(edge.influence, rel=1e-3)
            assert same.share == pytest.approx(edge.share, rel=3e-3)
            assert same.stability == pytest.approx(edge.stability)
            assert same.count == pytest.approx(edge.count, abs=0.003)
        patches = found.patches["dense_1"]
        again = kept.of(label).patches["dense_1"]
        assert (again.images == patches.images).all()
    with pytest.raises(BadRequestError, match="no image of that class"):
        kept.of(5)
    mean = (40 * digits[3].means["dense_1"] + 40 * digits[8].means["dense_1"]) / 80
    assert kept.means["dense_1"] == pytest.approx(mean, rel=1e-4)


def test_a_file_that_would_be_too_large_is_refused_before_it_is_made() -> None:
    assert sources_within(10, {"a": (512, 512)}) == 32
    assert 5 <= sources_within(200, {"a": (512, 512)}) < 32
    with pytest.raises(BadRequestError, match="1,000 classes and 4,000 units is too large"):
        sources_within(1000, {"a": (4000, 64)})


@pytest.mark.spec("CG-6")
def test_a_difference_is_told_with_its_z_and_grey_where_folds_make_as_much_of_it(
    digits: dict[int, Measured],
) -> None:
    found = difference(("three", digits[3]), ("eight", digits[8]))
    assert (found.first.name, found.second.name) == ("three", "eight")
    values = {label: each.values["dense_1"][INFLUENCE] for label, each in digits.items()}
    for each in found.nodes:
        if each.node.unit.layer == "dense_1":
            unit = each.node.unit.unit
            gap = values[3].value[unit] - values[8].value[unit]
            spread = np.hypot(values[3].error[unit], values[8].error[unit])
            assert each.change.difference == pytest.approx(gap)
            assert each.change.z == pytest.approx(gap / spread, nan_ok=True)
            more = values[3 if gap >= 0 else 8].value[unit]
            assert each.node.influence == pytest.approx(more)
    drawn = {node.unit for graph in (found.first, found.second) for node in graph.nodes}
    assert drawn <= {each.node.unit for each in found.nodes}
    assert any(each.change.clear for each in found.edges)
    nothing = difference(("three", digits[3]), ("again", digits[3]), COUNT)
    assert not any(each.change.clear for each in (*nothing.nodes, *nothing.edges))
    with pytest.raises(BadRequestError, match="'causal' was not measured"):
        difference(("three", digits[3]), ("eight", digits[8]), HELD)


def test_a_kept_class_and_a_set_that_is_not_kept_can_be_compared(
    digits: dict[int, Measured],
) -> None:
    kept = kept_again(list(digits.values()), 2)
    found = difference(("three", kept.of(3)), ("some", digits[3]))
    assert max(abs(each.change.difference) for each in found.nodes) < 1e-6
    assert not any(each.change.clear for each in found.nodes)
