"""Units that answer alike are in one group, whatever their layer and their scale."""

from __future__ import annotations

import numpy as np
from torch import nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.observed import Observed
from ndcore.analysis.unit_groups import unit_groups
from ndcore.concept_graph.graph import Unit

LIKES = ((3, 0, 0), (0, 3, 0), (0, 0, 3))  # mean of each class


def observed(rng: np.random.Generator) -> Observed:
    """Two layers of six units, each of which answers to one of three classes."""
    labels = np.repeat(np.arange(3), 200)
    histograms = {}
    for layer, scale in (("one", 1.0), ("two", 50.0)):
        means = np.array(LIKES, np.float32)[:, labels].T[:, [0, 1, 2, 0, 1, 2]]
        values = scale * np.maximum(means + rng.normal(0, 0.3, means.shape), 0)
        values = values.astype(np.float32)
        histograms[layer, "value"] = ClassHistograms.empty(3, values).update(values, labels)
    names = ("a", "b", "c")
    return Observed(nn.Identity(), ("one", "two"), names, (1, 1, 1), histograms)


def test_alike_units_of_two_layers_are_one_group(rng: np.random.Generator) -> None:
    units = [Unit(layer, unit) for layer in ("one", "two") for unit in range(6)]
    found = unit_groups(observed(rng), units, 3)
    for answer in range(3):
        members = [Unit(layer, unit) for layer in ("one", "two") for unit in (answer, answer + 3)]
        assert len({found[unit] for unit in members}) == 1
    assert set(found.values()) == {0, 1, 2}


def test_the_largest_group_is_first_and_the_odd_one_in_none(rng: np.random.Generator) -> None:
    units = [Unit("one", 0), Unit("one", 1), Unit("one", 4), Unit("two", 1), Unit("two", 3)]
    units.append(Unit("two", 2))
    found = unit_groups(observed(rng), units, 3)
    assert found == {
        Unit("one", 0): 1,
        Unit("two", 3): 1,
        Unit("one", 1): 0,
        Unit("one", 4): 0,
        Unit("two", 1): 0,
    }
    assert unit_groups(observed(rng), units[:1]) == {}
