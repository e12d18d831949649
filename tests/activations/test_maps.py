"""Activation maps, their peaks, and which units are shown."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.activations.capture import capture
from ndcore.activations.maps import Peak, activation_maps, peak, units_to_show
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.errors import BadRequestError


def test_maps_are_what_the_layers_put_out(digits_bundle: Bundle) -> None:
    pixels = open_source("digits").pixels([3, 3, 7])
    names = ["block1_conv2", "dense_1"]
    maps = activation_maps(digits_bundle.model, names, pixels)
    assert maps["block1_conv2"].shape == (3, 16, 8, 8)
    assert maps["dense_1"].shape == (3, 32)
    np.testing.assert_array_equal(maps["block1_conv2"][0], maps["block1_conv2"][1])
    read = digits_bundle.read(pixels)
    values = read.values("block1_conv2", "max")
    np.testing.assert_allclose(maps["block1_conv2"].max((2, 3)), values, rtol=1e-4, atol=1e-5)
    with pytest.raises(BadRequestError, match="no layer 'nothing'"):
        activation_maps(digits_bundle.model, ["nothing"], pixels)


def test_maps_leave_no_hook_behind(digits_bundle: Bundle) -> None:
    before = sum(len(m._forward_hooks) for m in digits_bundle.model.modules())
    activation_maps(digits_bundle.model, ["dense_1"], open_source("digits").pixels([0]))
    assert sum(len(m._forward_hooks) for m in digits_bundle.model.modules()) == before
    with capture(digits_bundle.model, ["dense_1"], lambda output: output.shape) as found:
        assert found == {}


def test_the_peak_is_the_first_strongest_position() -> None:
    values = np.zeros((3, 4), np.float32)
    assert peak(values) is None
    values[1, 2] = values[2, 0] = 5
    assert peak(values) == Peak(5.0, 1, 2)
    assert peak(np.array([[-3.0, -1.0]])) == Peak(-1.0, 0, 1)


def test_units_to_show_are_marked_or_moved_or_strong() -> None:
    maps = np.zeros((2, 5, 2, 2), np.float32)
    maps[:, 0] = 9
    maps[1, 3, 0, 1] = 4
    maps[1, 2, 1, 1] = -6
    assert units_to_show(maps, count=2) == (2, 3)
    assert units_to_show(maps[:1], count=1) == (0,)
    assert units_to_show(maps, [4, 1], count=3) == (4, 1)
    assert units_to_show(maps, [4, 1], count=1) == (4,)
    with pytest.raises(BadRequestError, match="neuron 5 does not exist"):
        units_to_show(maps, [5])
