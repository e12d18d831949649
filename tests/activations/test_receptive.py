"""Receptive fields against autograd and the textbook."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ndcore.activations.receptive import ReceptiveField, grid_of, receptive_fields
from ndcore.networks.registry import build_model, layer_names


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
    grid = grid_of((1, 1), (28, 28), receptive_fields(model, [layer], (28, 28, 1))[layer])
    sees = grid.sees(row, col, (28, 28))
    assert sees is not None
    (top, bottom), (left, right) = sees
    found = seen(model, layer, row, col, 28)
    rows, cols = np.nonzero(found)
    assert (rows.min(), rows.max(), cols.min(), cols.max()) == (top, bottom, left, right)


def test_fields_of_vgg16_are_the_textbooks() -> None:
    model = build_model("cifar10-vgg16")
    names = layer_names(model)
    fields = receptive_fields(model, names, (32, 32, 3))
    sizes = [fields[name].size for name in names if name in fields]
    assert sizes == [3, 5, 10, 14, 24, 32, 40, 60, 76, 92, 132, 164, 196]
    assert [name for name in names if name not in fields] == ["dense_1", "dense_2"]
    assert {fields[name].jump for name in names[:13]} == {1, 2, 4, 8, 16}


class TwoPaths(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 2, 3, padding=1), nn.Conv2d(1, 2, (1, 5))
        self.joined = nn.Conv2d(2, 2, 3)

    def forward(self, images: Tensor) -> Tensor:
        left = self.left(images)
        joined = self.joined(left + images)
        return joined.mean((2, 3)) + self.right(images).mean((2, 3))


class HiddenPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)

    def forward(self, values: Tensor) -> Tensor:
        return F.max_pool2d(self.conv(values), 2)


class Flipped(HiddenPool):
    def forward(self, values: Tensor) -> Tensor:
        return self.conv(values).flip(3)


def test_fields_where_paths_part_and_meet() -> None:
    fields = receptive_fields(TwoPaths().eval(), ["left", "right", "joined"], (12, 12, 1))
    # What is wider than high has no field that is the same in both directions.
    assert fields == {"left": ReceptiveField(-1, 3, 1), "joined": ReceptiveField(-1, 5, 1)}


@pytest.mark.parametrize(("block", "known"), [(HiddenPool(), True), (Flipped(), False)])
def test_fields_end_at_what_is_no_window(block: nn.Module, known: bool) -> None:
    model = nn.Sequential(
        OrderedDict(first=nn.Conv2d(1, 2, 3, padding=1), block=block, last=nn.Conv2d(2, 2, 1))
    ).eval()
    fields = {"first": ReceptiveField(-1, 3, 1)}
    if known:
        fields |= {"block": ReceptiveField(-2, 6, 2), "last": ReceptiveField(-2, 6, 2)}
    assert receptive_fields(model, ["first", "block", "last"], (12, 12, 1)) == fields


def test_cells_lie_on_the_pixels_they_stand_for() -> None:
    model = build_model("cifar10-vgg16")
    fields = receptive_fields(model, ["block1_conv1", "block2_conv1", "block5_conv3"], (32, 32, 3))
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
