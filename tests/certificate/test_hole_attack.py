from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.certificate import Hole, certify
from ndcore.certificate.hole_attack import attack_holes
from ndcore.networks.evaluator import Evaluator
from tests.decisive_pixel import OneDecisivePixel


class Guarded(nn.Module):
    """As `OneDecisivePixel` at (5, 2), but a bright (5, 2) loses where (0, 0) is dark."""

    def forward(self, images: Tensor) -> Tensor:
        decides, guard = images[:, 0, 5, 2], images[:, 0, 0, 0]
        value = 20 * (torch.minimum(decides, guard) - 0.5)
        return torch.stack([-value, value], 1)


@pytest.mark.spec("CE-2")
def test_a_hole_that_can_be_used_is_used() -> None:
    image = np.full((8, 8, 3), 255, np.uint8)
    image[5, 2] = 0
    model = OneDecisivePixel(5, 2).eval()
    (certificate,) = certify(model, image[None])
    assert certificate.holes == (Hole(5, 2, 1),)
    (found,) = attack_holes(Evaluator(model, (8, 8, 3)), image, certificate)
    assert found.tried == 9**3
    assert found.reached == 5 * 9**2  # of the nine red levels 128 and above
    assert found.colour is not None
    assert found.colour[0] == 255
    changed = image.copy()
    changed[5, 2] = found.colour
    (after,) = certify(model, changed[None])
    assert after.predicted == 1
    assert not after.alarm
    assert found.to_dict(("off", "on"))["unnoticed"] == list(found.colour)


def test_a_hole_whose_use_another_repair_notices_is_no_way_through() -> None:
    image = np.full((8, 8, 3), 255, np.uint8)
    image[5, 2] = 0
    image[:2, :2], image[0, 0] = 0, 255  # the guard is bright among dark neighbours
    model = Guarded().eval()
    (certificate,) = certify(model, image[None])
    assert certificate.holes == (Hole(5, 2, 1),)
    (found,) = attack_holes(Evaluator(model, (8, 8, 3)), image, certificate)
    assert found.reached > 0
    assert found.colour is None


def test_grey_pixels_are_tried_at_every_level() -> None:
    image = np.full((6, 6, 1), 255, np.uint8)
    image[3, 3] = 0
    model = OneDecisivePixel(3, 3).eval()
    (certificate,) = certify(model, image[None])
    (found,) = attack_holes(Evaluator(model, (6, 6, 1)), image, certificate)
    assert (found.tried, found.reached) == (256, 128)
    assert found.colour == (255,)
