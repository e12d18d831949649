"""Units held at a value: maps become the nearest ones that have it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ndcore.activations.capture import capture, reduce_units
from ndcore.activations.hold import Clamp, clamp_units, clamped
from ndcore.bundles.bundle import Bundle
from ndcore.errors import BadRequestError


def test_maps_become_the_nearest_ones_with_the_wanted_value() -> None:
    maps = torch.tensor([[[[1.0, 5.0], [4.0, 2.0]], [[0.0, 1.0], [0.5, 0.0]]]])
    every = torch.ones(1, 2, dtype=torch.bool)
    found = clamp_units(maps, every, torch.tensor([[3.0, 2.0]]), "max")
    assert found[0, 0].tolist() == [[1, 3], [3, 2]]  # cut off
    assert found[0, 1].tolist() == [[0, 2], [0.5, 0]]  # lifted at its largest place
    only = clamp_units(maps, torch.tensor([[True, False]]), torch.tensor([[3.0, 2.0]]), "max")
    assert torch.equal(only[0, 1], maps[0, 1])
    mean = clamp_units(maps, every, torch.tensor([[0.0, 1.0]]), "mean")
    assert torch.allclose(mean.mean((2, 3)), torch.tensor([[0.0, 1.0]]), atol=1e-6)
    silent = torch.zeros(1, 2, 2, 2)
    assert torch.equal(clamp_units(silent, every, torch.ones(1, 2), "max"), silent)
    lone = clamp_units(torch.zeros(1, 2, 1, 1), every, torch.ones(1, 2), "max")
    assert lone.flatten().tolist() == [1, 1]
    dense = clamp_units(
        torch.tensor([[1.0, 2.0]]), torch.tensor([[True, False]]), every * 7, "value"
    )
    assert dense.tolist() == [[7, 2]]
    for shape, reduction in (((1, 2), "max"), ((1, 2, 2, 2), "value"), ((1, 2, 2, 2), "median")):
        with pytest.raises(BadRequestError, match="does not fit"):
            clamp_units(torch.zeros(shape), every, torch.ones(1, 2), reduction)


def test_units_that_already_sit_at_the_median_change_nothing(digits_bundle: Bundle) -> None:
    model = digits_bundle.model
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    layers = digits_bundle.layers
    with torch.inference_mode():
        with capture(model, layers, lambda output: output.clone()) as found:
            before = model(images)
        clamps = {}
        for layer in layers:
            reduction = "max" if found[layer].ndim > 2 else "value"
            own = reduce_units(found[layer], reduction).numpy()
            clamps[layer] = Clamp(np.ones_like(own, bool), own, reduction)
        with clamped(model, clamps):
            after = model(images)
    assert torch.equal(before, after)
