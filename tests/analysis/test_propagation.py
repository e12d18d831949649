"""Propagation of a changed pixel: known answers."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from ndcore.analysis.propagation import change_of, propagate, propagation_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.errors import BadRequestError
from ndcore.figures.explorer.propagation import propagation_maps, propagation_rows


@pytest.fixture
def network() -> nn.Sequential:
    """A 3x3 mean in unit 0 and nothing in unit 1; a 2x2 max pool; a sum."""
    conv = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    dense = nn.Linear(2 * 4 * 4, 3, bias=False)
    with torch.no_grad():
        conv.weight.zero_()
        conv.weight[0] = 1 / 9
        dense.weight.zero_()
        dense.weight[0] = 1
    return nn.Sequential(
        OrderedDict(conv=conv, pool=nn.MaxPool2d(2), flat=nn.Flatten(), dense=dense)
    ).eval()


def images(row: int, col: int) -> tuple[np.ndarray, np.ndarray]:
    benign = np.full((8, 8, 1), 51, np.uint8)
    attacked = benign.copy()
    attacked[row, col] = 255
    return benign, attacked


def test_one_pixel_touches_a_3x3_window(network: nn.Sequential) -> None:
    first, last = propagate(network, ["conv", "dense"], *images(4, 5))
    wanted = np.zeros((8, 8))
    wanted[3:6, 4:7] = 0.8 / 9 / 2  # the mean over a unit that moved and one that did not
    assert first.difference is not None
    np.testing.assert_allclose(first.difference, wanted, atol=1e-6)
    assert (first.positions_changed, first.share_touched) == (9, 9 / 64)
    assert (first.units, first.units_changed) == (2, 1)
    assert first.largest == pytest.approx(0.8 / 18, abs=1e-6)
    assert (last.difference, last.positions_changed, last.share_touched) == (None, None, None)
    assert (last.units, last.units_changed) == (3, 1)
    # At a corner the window is cut off, and pooling shrinks what is left to one position.
    corner, pooled = propagate(network, ["conv", "pool"], *images(0, 0))
    assert corner.positions_changed == 4
    assert pooled.positions_changed == 1


def test_the_relative_change_is_a_ratio_of_norms(network: nn.Sequential) -> None:
    benign, attacked = images(4, 4)
    found = propagate(network, ["conv"], benign, attacked)[0]
    values = []
    for image in (benign, attacked):
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255
        with torch.inference_mode():
            values.append(network.conv(tensor).numpy())
    wanted = np.linalg.norm(values[1] - values[0]) / np.linalg.norm(values[0])
    assert found.relative == pytest.approx(wanted, rel=1e-5)
    silent = np.zeros((2, 3, 3), np.float32)
    assert change_of("x", silent, silent).relative == 0
    assert change_of("x", silent, silent + 1).relative == np.inf


def test_identical_images_give_zeros(digits_bundle: Bundle) -> None:
    image = open_source("digits").pixels([3])[0]
    for change in propagate(digits_bundle.model, digits_bundle.layers, image, image):
        assert change.units_changed == 0
        assert change.relative == 0
        if change.difference is not None:
            assert not change.difference.any()
            assert change.positions_changed == 0
    same = propagate(digits_bundle.model, digits_bundle.layers, image, image)
    assert propagation_sentence(same) == "Nothing differs at any layer."


def test_a_real_first_layer_and_the_capture_that_clones(digits_bundle: Bundle) -> None:
    benign = open_source("digits").pixels([3])[0]
    attacked = benign.copy()
    attacked[4, 4] = 255 - attacked[4, 4]
    changes = propagate(digits_bundle.model, digits_bundle.layers, benign, attacked)
    assert [change.layer for change in changes] == list(digits_bundle.layers)
    first = changes[0]
    assert first.difference is not None
    assert first.difference.shape == (8, 8)
    outside = first.difference.copy()
    outside[3:6, 3:6] = 0
    assert not outside.any()
    assert first.positions_changed is not None
    assert 1 <= first.positions_changed <= 9
    # A ReLU in place must not have rewritten what was kept.
    assert changes[-1].units_changed > 0
    assert [change.difference is None for change in changes] == [False] * 3 + [True] * 2


def test_rounding_is_no_change() -> None:
    values = np.linspace(0, 1000, 18, dtype=np.float32).reshape(2, 3, 3)
    assert change_of("x", values, values + np.float32(1e-3)).units_changed == 0
    assert change_of("x", values, values + np.float32(1)).units_changed == 2


def test_different_shapes_and_layers_are_refused(network: nn.Sequential) -> None:
    benign, attacked = images(1, 1)
    with pytest.raises(BadRequestError, match="one shape"):
        propagate(network, ["conv"], benign, attacked[:4])
    with pytest.raises(BadRequestError, match="no layer 'nothing'"):
        propagate(network, ["nothing"], benign, attacked)


def test_the_sentence_follows_the_change(network: nn.Sequential) -> None:
    told = propagation_sentence(propagate(network, ["conv", "pool", "dense"], *images(4, 4)))
    assert "touches 9 of 64 positions at conv" in told
    assert "at most 25% of the positions of any layer (pool)" in told
    assert "those of dense by" in told
    alone = propagation_sentence(propagate(network, ["dense"], *images(4, 4)))
    assert alone.startswith("The change moves the values of dense")
    full = change_of("all", np.zeros((1, 2, 2), np.float32), np.ones((1, 2, 2), np.float32))
    part = change_of("part", np.zeros((1, 2, 2), np.float32), np.eye(2, dtype=np.float32)[None])
    assert "every position for the first time at all" in propagation_sentence([part, full])


def test_the_maps_have_names_sizes_shares_and_rings(network: nn.Sequential) -> None:
    changes = propagate(network, ["conv", "pool", "dense"], *images(4, 5))
    text = propagation_maps(changes, {"conv": [(4, 5)]})
    assert text.count("<figure") == 2
    assert "8 x 8, 14% touched" in text
    assert "maximum 0.0444" in text
    assert 'alt="conv: 8 x 8' in text
    rows = propagation_rows(changes)
    assert "1 of 3, by " in rows
    assert propagation_rows(changes[:2]) == ""
    odd = change_of("<b>", np.zeros((1, 2, 2), np.float32), np.ones((1, 2, 2), np.float32))
    assert "<b>" not in propagation_maps([odd], {})
