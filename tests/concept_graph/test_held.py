"""Drops of a logit on a network whose circuit is known."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.concept_graph.drawing import Rule, draw
from ndcore.concept_graph.graph import HELD, Unit
from ndcore.concept_graph.held import held_drops, with_held
from ndcore.concept_graph.measured import measured
from ndcore.errors import StoppedError
from ndcore.networks.forward import forward
from tests.concept_graph.planted import LAYERS, noise, planted_circuit, summed


@pytest.mark.spec("CG-2")
def test_a_unit_held_at_its_mean_costs_the_logit_what_it_gave_beyond_that() -> None:
    pixels = noise(12)
    watched, sums = summed(planted_circuit(), LAYERS, pixels, 1)
    found = measured(watched, sums)
    graph = draw(found, "one", Rule(nodes=1.0, edges=1.0))
    units = [node.unit for node in graph.nodes] + [Unit("second", 1)]
    means = {**found.means, "second": np.array([0.25, 0, 0.5, 0])}
    told: list[tuple[int, int]] = []
    drops = held_drops(watched.model, units, 1, means, pixels, on_pass=lambda *at: told.append(at))
    # Class 1 = 3 x max of second[2] - max of second[0]; green makes both.
    green = pixels[..., 1].max((1, 2)) / 255
    assert drops[Unit("second", 2)] == pytest.approx(3 * (2 * green - 0.5), abs=1e-4)
    whole = forward(watched.model, pixels)[:, 1].numpy()
    assert drops[Unit("second", 0)] == pytest.approx(whole - (6 * green - 0.25), abs=1e-4)
    assert not drops[Unit("second", 1)].any()
    assert told[-1] == (len(units), len(units))
    shown = with_held(graph, drops)
    for node in shown.nodes:
        assert node.importance[HELD] == pytest.approx(drops[node.unit].mean())
    with pytest.raises(StoppedError):
        held_drops(watched.model, units, 1, means, pixels, should_stop=lambda: True)
