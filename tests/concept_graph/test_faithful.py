"""What is left of a class when its drawn units alone are kept, or are removed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ndcore.concept_graph.drawing import Rule, draw
from ndcore.concept_graph.faithful import (
    ACTIVE,
    DRAWN,
    RANDOM,
    Faithfulness,
    faithfulness,
    faithfulness_sentence,
    held_at_means,
    paired_gaps,
)
from ndcore.concept_graph.measured import measured
from ndcore.networks.forward import forward
from ndcore.statistics.intervals import Rate
from tests.concept_graph.planted import LAYERS, noise, planted_circuit, summed


@pytest.mark.spec("CG-4")
def test_a_planted_circuit_alone_keeps_its_class_and_without_it_the_class_is_gone() -> None:
    pixels = noise(40)
    # Class 1 wins where green (unit 1) is bright and red (unit 0) is dark.
    green, dark = pixels.copy(), pixels.copy()
    green[..., 0] //= 8
    dark[..., 1] //= 16
    watched, sums = summed(planted_circuit(), LAYERS, green, 1)
    found = measured(watched, sums)
    _, others = summed(planted_circuit(), LAYERS, dark, 0)
    means = {
        layer: (found.means[layer] + measured(watched, others).means[layer]) / 2 for layer in LAYERS
    }
    # The means alone speak for class 0, so that only what is kept can speak for class 1.
    means["second"] = np.array([0.0, 0.0, 0.0, 3.0])
    graph = draw(found, "one", Rule(nodes=1.0, edges=1.0))
    told: list[tuple[int, int]] = []
    result = faithfulness(
        watched.model, graph, found, means, green, on_pass=lambda *at: told.append(at)
    )
    assert result.whole.share == 1
    assert result.units == 3
    assert result.removed[DRAWN] == 0
    assert result.removed[RANDOM] > 0
    assert result.kept[DRAWN] == 1
    assert told[-1] == (15, 15)
    words = faithfulness_sentence(result, "one", graph.units)
    assert words.startswith("these 3 of 9 neurons alone keep ")
    assert "Without them 0% are left" in words


def test_a_held_unit_has_its_mean_everywhere_and_the_others_are_as_they_were() -> None:
    model, pixels = planted_circuit(), noise(3)
    held = {"second": np.array([False, False, True, False])}
    seen: list[torch.Tensor] = []
    hook = model.get_submodule("pool").register_forward_pre_hook(
        lambda part, inputs: seen.append(inputs[0].clone())
    )
    plain = forward(model, pixels)
    with held_at_means(model, held, {"second": np.array([9.0, 9.0, 0.25, 9.0])}):
        forward(model, pixels)
    hook.remove()
    again = forward(model, pixels)
    first, second = (batch for batch in seen if len(batch) == 3 and batch.abs().sum() > 0)
    assert (second[:, 2] == 0.25).all()
    assert torch.equal(first[:, [0, 1, 3]], second[:, [0, 1, 3]])
    assert torch.equal(plain, again)


def result(drawn: float, random: float, active: float) -> Faithfulness:
    values = {DRAWN: drawn, RANDOM: random, ACTIVE: active}
    return Faithfulness(0, 5, Rate(9, 10), values, {name: 1 - v for name, v in values.items()})


def test_gaps_are_paired_over_classes_and_say_where_they_are_not_clear() -> None:
    gaps = paired_gaps([result(0.8, 0.2, 0.7), result(0.6, 0.1, 0.7), result(0.9, 0.2, 0.9)])
    random, active = gaps["remove"][RANDOM], gaps["remove"][ACTIVE]
    assert random.mean == pytest.approx(0.6)
    assert random.clear
    assert random.ci95[0] == pytest.approx(0.5)
    assert active.mean == pytest.approx(0)
    assert not active.clear
    assert gaps["keep_only"][RANDOM].to_dict()["n"] == 3
