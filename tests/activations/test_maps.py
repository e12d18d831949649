"""Positions: receptive fields against autograd, maps, peaks, and the panel."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections import OrderedDict

import numpy as np
import pytest
import streamlit as st
import torch
import torch.nn.functional as F
from streamlit.testing.v1 import AppTest
from torch import Tensor, nn

from ndcore.activations.capture import capture
from ndcore.activations.maps import Peak, activation_maps, peak, units_to_show
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from ndcore.errors import BadRequestError
from ndcore.figures.explorer.positions import position_map
from ndcore.networks.receptive import ReceptiveField, grid_of, receptive_fields
from ndcore.networks.registry import build_model, layer_names


@pytest.fixture(autouse=True)
def _fresh_server() -> None:
    st.cache_data.clear()


def odd_chain() -> nn.Sequential:
    """Strides, dilation, average pooling and missing padding."""
    return nn.Sequential(
        OrderedDict(
            one=nn.Sequential(nn.Conv2d(1, 2, 5, stride=2, padding=1), nn.ReLU()),
            two=nn.Conv2d(2, 3, 3, dilation=2),
            pool=nn.AvgPool2d(2),
            three=nn.Conv2d(3, 2, 1),
            flat=nn.Flatten(),
            dense=nn.Linear(32, 3),
        )
    )


def seen(model: nn.Module, layer: str, row: int, col: int, side: int) -> np.ndarray:
    """Pixels that an output really depends on: those where its gradient is not 0."""
    image = torch.rand(1, 1, side, side, requires_grad=True)
    kept = {}
    handle = model.get_submodule(layer).register_forward_hook(
        lambda _module, _inputs, output: kept.setdefault("output", output)
    )
    model(image)
    handle.remove()
    kept["output"][0, :, row, col].sum().backward()
    assert image.grad is not None
    return image.grad[0, 0].numpy() != 0


@pytest.mark.parametrize(("row", "col"), [(0, 0), (1, 2), (3, 3)])
@pytest.mark.parametrize("layer", ["one", "two", "pool", "three"])
def test_fields_equal_what_gradients_say(layer: str, row: int, col: int) -> None:
    torch.manual_seed(0)
    model = odd_chain()
    for parameter in model.parameters():
        parameter.data.abs_()  # no ReLU is shut and no gradient cancels
    model.eval()
    grid = grid_of((1, 1), (28, 28), receptive_fields(model, [layer])[layer])
    sees = grid.sees(row, col, (28, 28))
    assert sees is not None
    (top, bottom), (left, right) = sees
    found = seen(model, layer, row, col, 28)
    rows, cols = np.nonzero(found)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (top, bottom, left, right)


def test_fields_of_vgg16_are_the_textbooks() -> None:
    model = build_model("cifar10-vgg16")
    names = layer_names(model)
    fields = receptive_fields(model, names)
    sizes = [fields[name].size for name in names if name in fields]
    assert sizes == [3, 5, 10, 14, 24, 32, 40, 60, 76, 92, 132, 164, 196]
    assert [name for name in names if name not in fields] == ["dense_1", "dense_2"]
    assert {fields[name].jump for name in names[:13]} == {1, 2, 4, 8, 16}


class TwoPaths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return (self.left(images) + self.right(images)).mean((2, 3))


class HiddenPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, values: Tensor) -> Tensor:
        return F.max_pool2d(self.conv(values), 2)


def test_fields_are_left_out_where_they_are_not_known() -> None:
    assert receptive_fields(TwoPaths().eval(), ["left", "right"]) == {}
    model = nn.Sequential(
        OrderedDict(
            first=nn.Conv2d(1, 2, 3, padding=1), block=HiddenPool(), last=nn.Conv2d(2, 2, 1)
        )
    ).eval()
    assert receptive_fields(model, ["first", "block", "last"]) == {
        "first": ReceptiveField(-1, 3, 1)
    }


def test_cells_lie_on_the_pixels_they_stand_for() -> None:
    model = build_model("cifar10-vgg16")
    fields = receptive_fields(model, ["block1_conv1", "block2_conv1", "block5_conv3"])
    first = grid_of((32, 32), (32, 32, 3), fields["block1_conv1"])
    assert first.place_of(10, 21) == (10, 21)
    assert first.sees(10, 21, (32, 32)) == ((9, 11), (20, 22))
    second = grid_of((16, 16), (32, 32, 3), fields["block2_conv1"])
    assert (second.top, second.left, second.height, second.width) == (0, 0, 2, 2)
    assert second.place_of(10, 21) == (4.75, 10.25)
    last = grid_of((2, 2), (32, 32, 3), fields["block5_conv3"])
    assert last.sees(0, 1, (32, 32)) == ((0, 31), (0, 31))
    unknown = grid_of((4, 2), (32, 32, 3), None)
    assert (unknown.height, unknown.width) == (8, 16)
    assert unknown.sees(0, 0, (32, 32)) is None
    assert unknown.place_of(0, 31) == (-0.4375, 1.46875)


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


def drawing(markup: str) -> str:
    found = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", markup)
    assert found is not None
    return b64decode(found[1]).decode()


@pytest.mark.parametrize("channels", [1, 3])
def test_the_picture_has_map_ring_frame_and_diamond(channels: int) -> None:
    pixels = np.full((32, 32, channels), 90, np.uint8)
    values = np.arange(256, dtype=np.float32).reshape(16, 16)
    grid = grid_of((16, 16), (32, 32), ReceptiveField(-4, 10, 2))
    markup = position_map(
        pixels, values, grid, Peak(255, 15, 15), scale=(0, 255), label='a "b"', changed=[(3, 4)]
    )
    assert 'alt="a &quot;b&quot;"' in markup
    svg = drawing(markup)
    assert svg.count("<image") == 2
    assert 'x="0" y="0" width="32" height="32"' in svg
    assert svg.count('cx="31" cy="31"') == 2, "the middle of the last cell of 2 x 2 pixels"
    assert svg.count("<rect") == 2
    assert svg.count("<polygon") == 1
    plain = drawing(
        position_map(
            pixels, 0 * values, grid_of((16, 16), (32, 32), None), None, scale=(0, 0), label=""
        )
    )
    assert "<circle" not in plain
    assert "<rect" not in plain


def panel(bundle, pair, marks, layers):
    from pages.ui.explorer.positions import positions_panel

    positions_panel(bundle, pair, marks, layers)


def shown(bundle: Bundle, pair: Pair, marks: dict[str, list[int]], layers: list[str]) -> AppTest:
    given = {"bundle": bundle, "pair": pair, "marks": marks, "layers": layers}
    at = AppTest.from_function(panel, default_timeout=60, kwargs=given).run()
    assert not at.exception
    return at


@pytest.fixture
def pair() -> Pair:
    benign = open_source("digits").pixels([3])[0]
    attacked = benign.copy()
    attacked[4, 4] = 255 - attacked[4, 4]
    return Pair("digits:3", benign, attacked, 3)


def test_the_panel_shows_the_marked_units_of_both_images(digits_bundle: Bundle, pair: Pair) -> None:
    at = shown(digits_bundle, pair, {"block1_conv2": [2, 5], "dense_1": [1]}, ["dense_1"])
    assert at.selectbox[0].value == "block1_conv2"
    assert at.multiselect[0].value == [2, 5]
    markup = json.dumps([block.proto.body for block in at.get("html")])
    assert markup.count("data:image/svg+xml") == 4
    frame = at.dataframe[0].value
    assert list(frame["neuron"]) == [2, 2, 5, 5]
    assert list(frame["image"]) == ["benign", "attacked"] * 2
    assert at.get("download_button")
    at.selectbox[0].set_value("block2_conv1").run()
    assert not at.exception
    assert len(at.multiselect[0].value) == 3


def test_the_panel_without_marks_or_attack(digits_bundle: Bundle, pair: Pair) -> None:
    at = shown(digits_bundle, Pair("", pair.benign), {}, ["dense_1", "block2_conv1"])
    assert at.selectbox[0].value == "block2_conv1"
    markup = json.dumps([block.proto.body for block in at.get("html")])
    assert markup.count("data:image/svg+xml") == 3
    words = " ".join(caption.value for caption in at.caption)
    assert "strongest" in words
    assert "it sees rows" in words
    at.multiselect[0].set_value([]).run()
    assert not at.exception
    assert "Choose a neuron" in at.info[0].value
