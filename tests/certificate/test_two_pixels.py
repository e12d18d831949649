from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.certificate import certify
from ndcore.certificate.two_pixels import certify_two
from ndcore.data.neighbours import filled
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import Evaluator
from tests.decisive_pixel import OneDecisivePixel


class Either(nn.Module):
    """Class 1 if (3, 2) or (0, 5) is bright."""

    def forward(self, images: Tensor) -> Tensor:
        value = 20 * (torch.maximum(images[:, 0, 3, 2], images[:, 0, 0, 5]) - 0.5)
        return torch.stack([-value, value], 1)


def test_a_fill_ignores_all_that_is_masked(rng: np.random.Generator) -> None:
    for _ in range(50):
        image = rng.integers(0, 256, (9, 7, 3)).astype(np.uint8)
        masks = rng.random((4, 9, 7)) < 0.4
        masks[:, 0, 0] = False
        other = np.where(masks[0][..., None], rng.integers(0, 256, image.shape), image)
        found = filled(image, masks)
        assert (found[~masks] == np.broadcast_to(image, found.shape)[~masks]).all()
        assert filled(other.astype(np.uint8), masks[:1])[0].tobytes() == found[0].tobytes()


def test_a_fill_by_hand() -> None:
    image = np.arange(25, dtype=np.uint8).reshape(5, 5, 1) * 10
    mask = np.zeros((1, 5, 5), bool)
    mask[0, 1:4, 1:4] = True
    found = filled(image, mask)[0, ..., 0]
    # Corner of the ring: the five known neighbours 0, 10, 20, 50, 100.
    assert found[1, 1] == 20
    # Side: 10, 20, 30 above it.
    assert found[1, 2] == 20
    # The centre sees the ring that was filled before it.
    ring = [found[r, c] for r in (1, 2, 3) for c in (1, 2, 3) if (r, c) != (2, 2)]
    assert found[2, 2] == np.rint(np.median(ring))


@pytest.mark.spec("CE-6")
@pytest.mark.parametrize("block", [1, 2])
def test_two_changes_of_a_certified_image_are_never_unnoticed(
    block: int, rng: np.random.Generator
) -> None:
    image = np.full((5, 6, 3), 40, np.uint8)
    model = OneDecisivePixel(3, 2).eval()
    evaluator = Evaluator(model, image.shape)
    found = certify_two(evaluator, image, block)
    assert found.certified
    assert found.hole is None
    blocks = -(-5 // block) * -(-6 // block)
    assert found.asked == found.pairs == blocks * (blocks + 1) // 2
    for other in rng.integers(0, 30, 20):
        changed = image.copy()
        changed.reshape(-1, 3)[other] = 255
        changed[3, 2] = 255
        assert evaluator.plain(changed[None]).argmax() == 1
        after = certify_two(evaluator, changed, block)
        assert not after.certified
        assert after.hole is not None
        row, col = after.hole[0]
        assert (3, 2) in {(row + i, col + j) for i in range(block) for j in range(block)}


def test_a_decoy_passes_single_repairs_and_no_pair() -> None:
    image = np.full((5, 6, 3), 40, np.uint8)
    image[3, 2] = image[0, 5] = 255
    model = Either().eval()
    assert not certify(model, image[None])[0].alarm
    found = certify_two(Evaluator(model, image.shape), image, 1)
    assert not found.certified
    assert {*(found.hole or ())} == {(0, 5), (3, 2)}


def test_too_large_blocks_are_refused() -> None:
    image = np.zeros((4, 4, 1), np.uint8)
    with pytest.raises(BadRequestError, match="leave nothing"):
        certify_two(Evaluator(OneDecisivePixel(0, 0).eval(), image.shape), image, 4)
