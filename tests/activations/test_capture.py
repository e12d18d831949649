from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.activations.calls import is_finite
from ndcore.activations.capture import capture, reduce_units, unit_layout
from ndcore.activations.distributions import layer_table
from ndcore.activations.reading import read_pixels
from ndcore.errors import BadRequestError
from ndcore.networks.registry import layer_names


def hand_weighted(inplace: bool = True) -> nn.Sequential:
    """conv (1 -> 2, 1x1): [x - 0.25, 1 - 2x]; ReLU; pool by mean; dense: [sum, difference]."""
    conv = nn.Conv2d(1, 2, 1)
    conv.weight.data = torch.tensor([1.0, -2.0]).view(2, 1, 1, 1)
    conv.bias.data = torch.tensor([-0.25, 1.0])
    dense = nn.Linear(2, 2)
    dense.weight.data = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    dense.bias.data = torch.zeros(2)
    return nn.Sequential(
        OrderedDict(
            conv=conv,
            relu=nn.ReLU(inplace=inplace),
            pool=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            dense=dense,
        )
    ).eval()


PIXELS = np.array([[[[0], [255]], [[51], [0]]]], np.uint8)  # 0, 1, 0.2, 0


@pytest.mark.parametrize("inplace", [True, False])
def test_values_by_hand_even_where_a_relu_overwrites_its_input(inplace: bool) -> None:
    found = read_pixels(hand_weighted(inplace), ["conv", "relu", "dense"], PIXELS)
    assert found.values("conv", "max")[0] == pytest.approx([0.75, 1.0])
    assert found.values("conv", "mean")[0] == pytest.approx([0.05, 0.4])
    assert found.values("relu", "mean")[0] == pytest.approx([0.75 / 4, 2.6 / 4])
    assert found.values("dense", "value")[0] == pytest.approx([3.35 / 4, -1.85 / 4])
    assert found.predicted.tolist() == [0]
    with pytest.raises(BadRequestError, match="'max'"):
        found.values("dense", "max")


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_hooks_go_away_after_success_and_failure() -> None:
    model = hand_weighted()
    with capture(model, ["relu"], Tensor.clone) as found:
        model(torch.zeros(1, 1, 2, 2))
    assert found["relu"].shape == (1, 2, 2, 2)
    assert hooks(model) == 0
    with pytest.raises(RuntimeError), capture(model, ["relu"], Tensor.clone):
        model(torch.zeros(1, 5, 2, 2))
    assert hooks(model) == 0
    with pytest.raises(BadRequestError, match="nothing"), capture(model, ["nothing"], Tensor.clone):
        pass


def test_another_thread_is_not_recorded() -> None:
    model = hand_weighted()
    with capture(model, ["relu"], Tensor.clone) as found:
        model(torch.zeros(1, 1, 2, 2))
        other = threading.Thread(target=lambda: model(torch.ones(3, 1, 2, 2)))
        other.start()
        other.join()
        assert found["relu"].shape[0] == 1


def test_layout_and_names() -> None:
    model = hand_weighted()
    assert layer_names(model) == ("conv", "dense")
    assert unit_layout(model, ["conv", "dense"], (2, 2, 1)) == {
        "conv": (2, ("mean", "max")),
        "dense": (2, ("value",)),
    }
    with pytest.raises(BadRequestError, match="value"):
        reduce_units(torch.zeros(1, 2), "mean")


class Block(nn.Module):
    """A layer that gives what it is told to."""

    def __init__(self, give: object, *parts: nn.Module) -> None:
        super().__init__()
        self.parts, self.give = nn.ModuleList(parts), give

    def forward(self, images: Tensor) -> object:
        return self.give(images)


class Around(nn.Module):
    """Runs a block `times` times, and answers with the means of the image."""

    def __init__(self, block: nn.Module, times: int) -> None:
        super().__init__()
        self.block, self.times = block, times

    def forward(self, images: Tensor) -> Tensor:
        for _ in range(self.times):
            self.block(images)
        return images.mean((2, 3))


@pytest.mark.parametrize(
    ("block", "times", "why"),
    [
        (Block(lambda images: (images, None)), 1, "gives a tuple"),
        (Block(lambda images: images.flatten(2)), 1, r"\(N, 3, 16\), neither"),
        (Block(lambda images: images[:1]), 1, r"\(N, 3, 4, 4\), neither"),
        (Block(lambda images: images), 0, "is not called"),
    ],
)
def test_a_layer_without_units_is_refused_by_name(block: Block, times: int, why: str) -> None:
    with pytest.raises(BadRequestError, match=rf"layer 'block' .*{why}.* `layers`"):
        unit_layout(Around(block, times).eval(), ["block"], (4, 4, 3))


def test_a_layer_that_runs_several_times_is_told() -> None:
    for times in (1, 3):
        model = Around(nn.Conv2d(3, 2, 1), times).eval()
        row = {"name": "block", "units": 2, "reductions": ["mean", "max"]}
        told = row | ({"runs": 3} if times == 3 else {})
        assert layer_table(model, ["block"], (4, 4, 3)) == [told]


@pytest.mark.parametrize(
    ("values", "finite"),
    [
        ([1.0, -2.0], True),
        ([3e38, 3e38, -1.0], True),  # whose sum is beyond float32
        ([1.0, float("inf"), float("-inf")], False),
        ([1.0, float("nan")], False),
    ],
)
def test_numbers_are_told_from_what_is_none(values: list[float], finite: bool) -> None:
    assert is_finite(torch.tensor(values)) is finite
    assert is_finite(torch.arange(3))
