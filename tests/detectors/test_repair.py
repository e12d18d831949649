from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.neighbours import median_of_neighbours
from ndcore.detectors.by_repair import FIRST, REPAIR_SCORES, repair_score
from ndcore.detectors.repair import Repairs, repair, repair_at
from ndcore.errors import StoppedError
from ndcore.networks.evaluator import Evaluator, evaluator_for
from ndcore.networks.stoppable import stoppable
from tests.decisive_pixel import OneDecisivePixel


@pytest.fixture
def planted() -> np.ndarray:
    """Dark images; in the second the pixel that decides is bright."""
    pixels = np.full((2, 8, 8, 3), 40, np.uint8)
    pixels[:, 1, 1] = 90  # a harmless outlier
    pixels[1, 5, 2, 0] = 255
    return pixels


@pytest.mark.spec("DD-4")
def test_the_planted_pixel_is_found_and_the_label_comes_back(planted: np.ndarray) -> None:
    model = OneDecisivePixel(5, 2).eval()
    found = repair(Evaluator(model, (8, 8, 3)), planted)
    assert found.predicted.tolist() == [0, 1]
    assert found.suspect[1].tolist() == [5, 2]
    assert found.repaired[1] == 0
    assert found.lost[1].max() > 0.99
    assert found.lost[0].max() == pytest.approx(0, abs=1e-6)
    # log-odds of two classes are twice the value 20 (red - 1/2)
    assert found.drop[1, 5, 2] == pytest.approx(40 * (255 - 40) / 255, rel=1e-4)
    assert found.exact.all()


def test_it_equals_whole_images_one_by_one(digits_bundle: Bundle) -> None:
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape)
    pixels = open_source("digits").pixels([3, 4])
    found = repair(evaluator, pixels)
    repaired = median_of_neighbours(pixels)
    for i in range(2):
        label = int(found.predicted[i])
        for row, col in [(0, 0), (3, 3), (7, 4), (4, 2)]:
            changed = pixels[i].copy()
            changed[row, col] = repaired[i, row, col]
            before, after = (
                np.float64(evaluator.plain(image[None])[0]) for image in (pixels[i], changed)
            )
            odds = [
                values[label] - np.log(np.exp(np.delete(values, label)).sum())
                for values in (before, after)
            ]
            exact = found.exact[i, row, col]
            assert found.drop[i, row, col] == pytest.approx(
                odds[0] - odds[1], abs=1e-3 if exact else 0.1
            )
            assert found.label[i, row, col] == after.argmax()
            p = [np.exp(v - np.log(np.exp(v).sum()))[label] for v in (before, after)]
            assert found.lost[i, row, col] == pytest.approx(p[0] - p[1], abs=0.02)


def test_repairs_on_disk_and_stopped(planted: np.ndarray, tmp_path: Path) -> None:
    evaluator = Evaluator(OneDecisivePixel(5, 2).eval(), (8, 8, 3))
    found = repair(evaluator, planted)
    found.save(tmp_path / "r.npz", "stamp")
    again = Repairs.load(tmp_path / "r.npz", "stamp")
    assert again is not None
    assert np.array_equal(again.drop, found.drop)
    assert Repairs.load(tmp_path / "r.npz", "other") is None
    assert Repairs.load(tmp_path / "none.npz", "stamp") is None
    # Inside an image too.
    for questions in (1, 2, 9):
        asked = iter([False] * (questions - 1) + [True])
        with pytest.raises(StoppedError), stoppable(lambda asked=asked: next(asked)):
            repair(evaluator, planted[:1])


class _EitherPixel(OneDecisivePixel):
    """Class 1 wins as soon as one of two pixels is bright."""

    def forward(self, images: Tensor) -> Tensor:
        brightest = torch.maximum(images[:, 0, 5, 2], images[:, 0, 1, 6])
        value = self.scale * (brightest - 0.5)
        return torch.stack([-value, value], dim=1)


@pytest.mark.spec("CE-7")
def test_a_pair_shows_what_neither_pixel_does() -> None:
    pixels = np.full((1, 8, 8, 3), 40, np.uint8)
    pixels[0, [5, 1], [2, 6], 0] = 255
    pixels[0, 3, 3] = 90
    evaluator = Evaluator(_EitherPixel(5, 2).eval(), (8, 8, 3))
    found = repair(evaluator, pixels)
    assert found.predicted.tolist() == [1]
    assert not found.flips[0]
    assert found.drop.max() == pytest.approx(0, abs=1e-4)
    assert found.pair_flips[0]
    assert sorted(found.pair[0].tolist()) == [[1, 6], [5, 2]]
    assert found.pair_drop[0] == pytest.approx(40 * (255 - 40) / 255, rel=1e-4)
    before = float(found.log_odds[0])
    scores = {name: repair_score(name, found)[0] for name in REPAIR_SCORES}
    assert scores["repair-turn"] == scores["repair-flip"] == pytest.approx(-before / 2, abs=1e-3)
    assert scores["repair-pair"] == pytest.approx(float(found.pair_drop[0]) - before / 2, abs=1e-3)
    assert scores["repair-pair-flip"] == pytest.approx(scores["repair-pair"] + FIRST)
    assert scores["repair-floor"] == pytest.approx(-before, abs=1e-3)
    # Looking at the changed pixels alone tells the same, and never more.
    glimpse = repair_at(evaluator, pixels[0], np.array([[5, 2], [1, 6]]))
    for name, score in scores.items():
        assert repair_score(name, glimpse)[0] <= score + 1e-3
    assert repair_score("repair-pair", glimpse)[0] == pytest.approx(scores["repair-pair"])
    assert repair_at(evaluator, pixels[0], np.array([[5, 2]])).pair_drop[0] == -np.inf


def test_an_image_of_one_colour_has_no_pair() -> None:
    flat = np.full((1, 8, 8, 3), 40, np.uint8)
    found = repair(Evaluator(OneDecisivePixel(5, 2).eval(), (8, 8, 3)), flat)
    assert found.pair_drop[0] == -np.inf
    assert (found.pair == -1).all()
    assert not found.pair_flips[0]
    assert np.isfinite(repair_score("repair-pair", found)).all()
