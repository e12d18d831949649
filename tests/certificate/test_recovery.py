"""The label before a change of one pixel comes back, and where that is proven it always does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.certificate.recovery import recover
from ndcore.certificate.two_pixels import certify_two
from ndcore.networks.evaluator import Evaluator
from tests.decisive_pixel import OneDecisivePixel


class Votes(nn.Module):
    """Three classes by small random filters, whose answers hang on single pixels."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.filters = nn.Conv2d(1, 12, 3, padding=1)
        self.last = nn.Linear(12, 3)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.last(20 * torch.relu(self.filters(images)).amax((2, 3)))
        return found


@pytest.mark.spec("CE-6")
@pytest.mark.parametrize("block", [1, 2])
def test_the_label_before_a_planted_flip_comes_back(block: int) -> None:
    image = np.full((5, 6, 3), 40, np.uint8)
    evaluator = Evaluator(OneDecisivePixel(3, 2).eval(), image.shape)
    blocks = -(-5 // block) * -(-6 // block)
    clean = recover(evaluator, image, block)
    assert (clean.label, clean.agreed, clean.asked) == (0, True, blocks)
    image[3, 2] = 255
    assert evaluator.plain(image[None]).argmax() == 1
    found = recover(evaluator, image, block)
    # One block alone says otherwise, and all of its pairs keep to that.
    assert (found.label, found.agreed, found.asked) == (0, False, 2 * blocks)
    assert found.to_dict(("off", "on")) == {"label": "off", "agreed": False, "asked": 2 * blocks}


@pytest.mark.spec("CE-6")
def test_on_certified_images_it_always_does(rng: np.random.Generator) -> None:
    """Every pixel of seeded images changed to black, white and a random level."""
    evaluator = Evaluator(Votes().eval(), (6, 6, 1), "float32")
    proven = flips = 0
    for image in rng.integers(100, 140, (12, 6, 6, 1)).astype(np.uint8):
        label = int(evaluator.plain(image[None]).argmax())
        if not certify_two(evaluator, image, 2).certified:
            continue
        proven += 1
        assert recover(evaluator, image, 2).label == label
        for at, level in np.ndindex(36, 3):
            changed = image.copy()
            changed[divmod(at, 6)] = (0, 255, int(rng.integers(256)))[level]
            flips += int(evaluator.plain(changed[None]).argmax()) != label
            assert recover(evaluator, changed, 2).label == label
    assert proven
    assert flips


def test_without_numbers_there_is_no_label() -> None:
    class Silent(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.full((len(images), 2), torch.nan) + 0 * images.sum((1, 2, 3))[:, None]

    evaluator = Evaluator(Silent().eval(), (6, 6, 1), "float32")
    found = recover(evaluator, np.zeros((6, 6, 1), np.uint8), 2)
    assert (found.label, found.agreed) == (None, True)
