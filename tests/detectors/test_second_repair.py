"""A decoy hides from one repair and not from two."""

from __future__ import annotations

import numpy as np
import pytest
from torch import Tensor, nn, stack

from ndcore.detectors.repair import repair
from ndcore.detectors.second_repair import second_repair
from ndcore.networks.evaluator import Evaluator
from tests.decisive_pixel import OneDecisivePixel


class EitherOfTwo(nn.Module):
    """Class 1 if (5, 2) or (2, 6) is bright, and more surely if both are."""

    def forward(self, images: Tensor) -> Tensor:
        value = 4 * (images[:, 0, 5, 2] + images[:, 0, 2, 6] - 0.7)
        return stack([-value, value], 1)


@pytest.fixture
def decoy() -> np.ndarray:
    image = np.full((8, 9, 3), 40, np.uint8)
    image[5, 2, 0] = image[2, 6, 0] = 255
    return image


@pytest.mark.spec("CE-6")
def test_the_second_pixel_gives_the_label_back(decoy: np.ndarray) -> None:
    evaluator = Evaluator(EitherOfTwo().eval(), decoy.shape)
    first = repair(evaluator, decoy[None])
    assert first.repaired[0] == first.predicted[0] == 1
    found = second_repair(evaluator, decoy, first)
    assert found is not None
    assert {tuple(first.suspect[0].tolist()), (found.row, found.col)} == {(5, 2), (2, 6)}
    assert found.label == 0
    before, after = (1 / (1 + np.exp(-8 * (2 * value - 0.7))) for value in (1, 40 / 255))
    assert found.lost == pytest.approx(before - after, abs=1e-4)
    told = found.to_dict(("off", "on"))
    assert told == {
        "row": found.row,
        "col": found.col,
        "repaired": "off",
        "probability_lost": found.lost,
    }


def test_neither_fill_looks_at_the_other_pixel(decoy: np.ndarray) -> None:
    """Two changed pixels side by side, of which each would be among the other's neighbours."""

    class Corner(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            value = 4 * (images[:, 0, 0, 0] + images[:, 0, 0, 1] - 0.7)
            return stack([-value, value], 1)

    image = np.full((2, 2, 1), 40, np.uint8)
    image[0, 0] = image[0, 1] = 255
    evaluator = Evaluator(Corner().eval(), image.shape)
    found = second_repair(evaluator, image, repair(evaluator, image[None]))
    assert found is not None
    assert found.label == 0


def test_no_second_where_the_first_is_enough_or_nothing_costs_anything() -> None:
    image = np.full((8, 9, 3), 40, np.uint8)
    evaluator = Evaluator(OneDecisivePixel(5, 2).eval(), image.shape)
    assert second_repair(evaluator, image, repair(evaluator, image[None])) is None
    image[5, 2, 0] = 255
    assert second_repair(evaluator, image, repair(evaluator, image[None])) is None
