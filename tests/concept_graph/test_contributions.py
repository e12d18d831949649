"""Contributions sum to what is received on every network; where they cannot, no edge is drawn."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ndcore.activations.capture import unit_layout
from ndcore.concept_graph.contributions import Weights, contributions, exact_weights
from ndcore.concept_graph.wiring import wiring_of
from ndcore.networks.registry import MODELS, build_model, layer_names, model_spec


def stirred(model: nn.Module) -> nn.Module:
    """Batch norms that do something."""
    for part in model.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None
            assert part.running_var is not None
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            part.weight.data.uniform_(-1, 2)
            part.bias.data.normal_()
    return model.requires_grad_(False)


def linked(
    model: nn.Module, layers: tuple[str, ...], images: Tensor
) -> tuple[list[Weights], tuple[str, ...]]:
    shape = (images.shape[2], images.shape[3], images.shape[1])
    units = {name: found[0] for name, found in unit_layout(model, layers, shape).items()}
    return exact_weights(model, wiring_of(model, layers), units, images)


@pytest.mark.spec("CG-1", "SP-6")
@pytest.mark.parametrize("name", MODELS)
def test_contributions_and_bias_sum_to_what_is_received(name: str) -> None:
    torch.manual_seed(0)
    model = stirred(build_model(name))
    shape = model_spec(name).shape
    assert shape is not None
    images = torch.rand(3, shape[2], *shape[:2])
    weights, gaps = linked(model, layer_names(model), images)
    assert not gaps
    assert [each.link.target for each in weights] == list(layer_names(model)[1:])
    found = contributions(model, weights, images)
    for each in weights:
        added, received = found[each.link]
        assert added.shape == (3, each.targets, each.sources)
        assert (added.sum(2) + each.bias - received).abs().max() < 1e-4


@pytest.mark.spec("SP-5")
def test_a_contribution_is_the_gradient_of_what_is_received_times_the_activation() -> None:
    torch.manual_seed(1)
    model = stirred(build_model("digits-cnn"))
    images = torch.rand(2, 1, 8, 8)
    weights, _ = linked(model, layer_names(model), images)
    found = contributions(model, weights, images)
    link = weights[1].link
    assert (link.source, link.target) == ("block1_conv2", "block2_conv1")
    parts = dict(model.named_children())
    source = parts["normalize"](images)
    for name in ("block1_conv1", "block1_conv2"):
        source = parts[name](source)
    source = source.detach().requires_grad_()
    block = parts["block2_conv1"]
    assert isinstance(block, nn.Sequential)
    received = block[1](block[0](parts["block1_pool"](source)))
    for image in range(2):
        for unit in (0, 17, 31):
            top = received[image, unit].max()
            (gradient,) = torch.autograd.grad(top, source, retain_graph=True)
            by_gradient = (gradient * source)[image].sum((1, 2))
            assert torch.allclose(found[link][0][image, unit], by_gradient.detach(), atol=1e-5)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(n, 4, 3, padding=1) for n in (3, 4))
        self.third = nn.Conv2d(4, 6, 3, stride=2, padding="valid", dilation=1)
        self.last = nn.Linear(6, 2)

    def forward(self, images: Tensor) -> Tensor:
        first = torch.relu(self.first(images))
        added = first + self.second(first)
        return self.last(torch.relu(self.third(added)).mean((2, 3)))


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.apart = nn.Conv2d(4, 4, 3, groups=2)
        self.last = nn.Linear(4 * 4 * 4, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(self.apart(self.first(images)).flatten(1))


class Branching(nn.Module):
    """Cannot be traced: which way it goes depends on the image."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3), nn.Linear(4 * 36, 2)

    def forward(self, images: Tensor) -> Tensor:
        first = self.first(images)
        return self.last(first.flatten(1) if first.sum() > 0 else -first.flatten(1))


@pytest.mark.parametrize(
    ("made", "layers", "links", "told"),
    [
        (
            Residual,
            ("first", "second", "third", "last"),
            [("first", "second"), ("third", "last")],
            ["from second to third: it is not driven by that layer alone"],
        ),
        (
            Grouped,
            ("first", "apart", "last"),
            [("apart", "last")],
            ["from first to apart: 'apart' is a grouped convolution"],
        ),
        (Grouped, ("first", "last"), [], ["has to lie between, and there are 2"]),
        (Branching, ("first", "last"), [], ["the steps of this network cannot be read"]),
    ],
)
def test_where_more_than_weights_lies_between_a_sentence_says_that_there_are_no_edges(
    made: Callable[[], nn.Module],
    layers: tuple[str, ...],
    links: list[tuple[str, str]],
    told: list[str],
) -> None:
    torch.manual_seed(0)
    model = made().eval().requires_grad_(False)
    weights, gaps = linked(model, layers, torch.rand(2, 3, 8, 8))
    assert [(each.link.source, each.link.target) for each in weights] == links
    assert len(gaps) == len(told)
    for gap, words in zip(gaps, told, strict=True):
        assert words in gap


class Crossed(nn.Module):
    """The steps look like a chain, but what is put out is not what the weights give."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 4, 3, bias=False), nn.Linear(4, 2)
        self.last.register_forward_hook(lambda part, inputs, output: 2 * output)

    def forward(self, images: Tensor) -> Tensor:
        return self.last(torch.relu(self.first(images)).mean((2, 3)))


def test_a_link_whose_sum_does_not_hold_on_images_is_left_out() -> None:
    torch.manual_seed(0)
    model = Crossed().eval().requires_grad_(False)
    weights, gaps = linked(model, ("first", "last"), torch.rand(2, 3, 8, 8))
    assert not weights
    assert "does not sum to what is received" in gaps[0]
