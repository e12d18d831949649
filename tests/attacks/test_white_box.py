"""The search that follows the gradient, on networks whose gradient is known."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.attacks import AttackConfig, attack_images
from ndcore.attacks.engines.white_box import promising
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import Evaluator
from tests.decisive_pixel import OneDecisivePixel

GREY = np.full((16, 16, 3), 100, np.uint8)


def test_the_first_query_hits_where_the_gradient_is_right() -> None:
    model = OneDecisivePixel(5, 9).eval()
    result = attack_images(model, GREY[None], [0], ["a"], AttackConfig("gradient"))[0]
    assert result.success
    assert (result.first_hit, result.found_by) == (1, "gradient")
    assert [(change.row, change.col) for change in result.pixels] == [(5, 9)]
    assert model.scale.grad is None


def test_points_come_in_the_order_of_what_they_promise() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (6, 5, 3)).astype(np.uint8)
    gradient = rng.normal(size=(6, 5, 3))
    expected = {}
    for row, col in product(range(6), range(5)):
        for colour in range(8):
            corner = np.array([255 * (colour >> c & 1) for c in range(3)])
            move = float(gradient[row, col] @ (corner - image[row, col].astype(float)))
            if move < expected.get((row, col), (np.inf, 0))[0]:
                expected[row, col] = move, colour
    order = sorted(expected, key=lambda place: expected[place][0])
    assert promising(image, gradient) == [(*place, expected[place][1]) for place in order]


class Linear(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4 * 5 * 3, 4)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(images.flatten(1))


@pytest.mark.parametrize("target", [None, 2])
def test_the_gradient_is_that_of_the_margin(target: int | None) -> None:
    torch.manual_seed(0)
    model = Linear().eval()
    image = np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)
    evaluator = Evaluator(model, (4, 5, 3), "float32")
    logits = evaluator.plain(image[None])[0]
    label = 1 if target is None else target
    rival = int(np.argmax(np.where(np.arange(4) == label, -np.inf, logits)))
    weight = model.head.weight.detach().numpy()
    expected = (weight[label] - weight[rival]).reshape(3, 4, 5).transpose(1, 2, 0) / 255
    found = evaluator.gradient(image, 1, target)
    assert np.allclose(found, expected if target is None else -expected, atol=1e-7)
    assert all(parameter.grad is None for parameter in model.parameters())


class Blind(OneDecisivePixel):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images.detach())


def test_a_model_without_a_gradient_is_refused_in_a_sentence() -> None:
    model = Blind(5, 9).eval()
    with pytest.raises(BadRequestError, match=r"no gradient to follow .*: use fast or de"):
        attack_images(model, GREY[None], [0], ["a"], AttackConfig("gradient"))
