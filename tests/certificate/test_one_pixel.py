"""The certificate of one image: the proof's first line, planted answers, and every grey level."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.bundles.bundle import Bundle
from ndcore.certificate import Hole, certify
from ndcore.certificate.audit import audit
from ndcore.certificate.one_pixel import alarm_on
from ndcore.certificate.repairs import MARGIN
from ndcore.data.catalog import open_source
from ndcore.data.neighbours import median_of_neighbours
from ndcore.data.pixels import paint
from ndcore.errors import BadRequestError, StoppedError
from ndcore.networks.evaluator import Evaluator, Query, evaluator_for
from tests.decisive_pixel import OneDecisivePixel

SHAPES = [(32, 32, 3), (8, 8, 1), (5, 9, 3), (2, 2, 4), (1, 7, 3), (6, 1, 1), (1, 2, 1)]


def repaired_at(image: np.ndarray, row: int, col: int) -> bytes:
    """R_v(x), whole."""
    found = image.copy()
    found[row, col] = median_of_neighbours(image[None])[0, row, col]
    return found.tobytes()


@pytest.mark.spec("CE-1")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_the_repair_of_a_changed_pixel_is_that_of_the_clean_image(
    shape: tuple[int, int, int], rng: np.random.Generator
) -> None:
    for _ in range(200):
        image = rng.integers(0, 256, shape).astype(np.uint8)
        row, col = int(rng.integers(shape[0])), int(rng.integers(shape[1]))
        changed = image.copy()
        changed[row, col] = rng.integers(0, 256, shape[2])
        assert repaired_at(changed, row, col) == repaired_at(image, row, col)


class Silent(nn.Module):
    """Two classes; no numbers where the red value at (1, 1) is dark."""

    def forward(self, images: Tensor) -> Tensor:
        value = torch.log(images[:, 0, 1, 1] - 0.2)
        return torch.stack([value + 100, value], 1)


@pytest.fixture
def planted() -> np.ndarray:
    """Dark images; in the second the pixel that decides is bright."""
    pixels = np.full((2, 8, 8, 3), 40, np.uint8)
    pixels[1, 5, 2, 0] = 255
    return pixels


@pytest.mark.spec("CE-1", "CE-2", "CE-3")
def test_the_decisive_pixel_is_the_only_hole(planted: np.ndarray) -> None:
    model = OneDecisivePixel(5, 2).eval()
    dark, bright = certify(model, planted)
    assert dark.certified
    assert not dark.alarm
    assert (dark.predicted, dark.holes, dark.labels, dark.why) == (0, (), (0,), "")
    assert dark.margin == pytest.approx(40 * (0.5 - 40 / 255), rel=1e-5)
    assert bright.alarm
    assert bright.predicted == 1
    assert bright.holes == (Hole(5, 2, 0),)
    assert bright.labels == (0, 1)  # the label before the change is among them
    assert bright.margin == pytest.approx(-40 * (0.5 - 40 / 255), rel=1e-5)
    told = bright.to_dict(("off", "on"))
    assert told["predicted"] == "on"
    assert told["holes"] == [{"row": 5, "col": 2, "label": "off"}]
    assert told["labels"] == ["off", "on"]
    assert told["alarm"]
    assert not told["certified"]
    assert "1 pixel has another label" in told["why"]


class Constant(nn.Module):
    """Two classes whose logits differ by `lead`, whatever the image."""

    def __init__(self, lead: float) -> None:
        super().__init__()
        self.lead = nn.Parameter(torch.tensor(lead))

    def forward(self, images: Tensor) -> Tensor:
        value = self.lead + 0 * images.sum((1, 2, 3))
        return torch.stack([value, 0 * value], 1)


@pytest.mark.parametrize(("lead", "certified"), [(0.0, False), (5e-4, False), (2e-3, True)])
def test_a_tie_is_no_proof(lead: float, certified: bool, planted: np.ndarray) -> None:
    found = certify(Constant(lead).eval(), planted)[1]
    assert found.certified is certified
    assert (found.predicted is None) is not certified
    assert found.margin == pytest.approx(lead, abs=1e-6)
    assert certified or f"within {MARGIN:g} of a tie" in found.why


def test_where_there_are_no_numbers_nothing_is_proven() -> None:
    pixels = np.full((2, 4, 4, 3), 40, np.uint8)
    pixels[1, 1, 1] = 200  # numbers, until this pixel is repaired
    nothing, some = certify(Silent().eval(), pixels)
    assert nothing.predicted is None
    assert math.isnan(nothing.margin)
    assert "no numbers" in nothing.why
    assert nothing.to_dict(("a", "b"))["margin"] is None
    assert some.predicted == 0
    assert some.holes == (Hole(1, 1, None),)
    assert some.labels is None
    assert some.alarm
    evaluator = Evaluator(Silent().eval(), (4, 4, 3), "float32")
    assert [alarm_on(evaluator, image, (1, 1)) for image in pixels] == [True, True]
    assert "for 1 of them the model gives no numbers" in some.why


def test_bad_input(planted: np.ndarray) -> None:
    model = OneDecisivePixel(0, 0).eval()
    assert certify(model, planted[:0]) == []
    with pytest.raises(BadRequestError, match="no neighbours"):
        certify(model, planted[:, :1, :1])
    with pytest.raises(BadRequestError, match="single class"):
        certify(nn.Sequential(nn.Flatten(), nn.Linear(192, 1)).eval(), planted)
    with pytest.raises(StoppedError):
        certify(model, planted, should_stop=lambda: True)


@pytest.mark.spec("CE-1", "CE-2")
def test_it_is_what_whole_images_say_one_by_one(digits_bundle: Bundle) -> None:
    pixels = open_source("digits").pixels(range(6))
    found = certify(digits_bundle.model, pixels)
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape)
    for image, certificate in zip(pixels, found, strict=True):
        repaired = median_of_neighbours(image[None])[0]
        rows, cols = np.divmod(np.arange(64), 8)
        each = paint(image, np.stack([rows, cols], 1)[:, None], repaired[rows, cols][:, None])
        logits = evaluator.plain(np.concatenate([image[None], each])).astype(float)
        label = logits[0].argmax()
        others = np.delete(logits, label, 1).max(1)
        assert certificate.predicted == label
        assert certificate.margin == pytest.approx((logits[:, label] - others).min(), abs=2e-4)
        away = np.flatnonzero(logits[1:].argmax(1) != label)
        holes = {(hole.row * 8 + hole.col, hole.label) for hole in certificate.holes}
        assert {(at, logits[1 + at].argmax()) for at in away} <= holes
        assert certificate.certified == (not holes)


def test_it_does_not_hang_on_the_other_images(digits_bundle: Bundle) -> None:
    pixels = open_source("digits").pixels(range(8))
    together = certify(digits_bundle.model, pixels)
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape)
    for image, certificate in zip(pixels[::-1], together[::-1], strict=True):
        assert certify(digits_bundle.model, image[None]) == [certificate]
        for first in (None, (0, 0), (4, 3)):
            assert alarm_on(evaluator, image, first) == certificate.alarm


def test_a_screen_has_no_say(digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = open_source("digits").pixels([3])
    told = certify(digits_bundle.model, pixels)
    run = Evaluator.run

    def only_exact(self: Evaluator, queries: list[Query], exact: bool = False) -> list[np.ndarray]:
        answers = run(self, queries, exact)
        return answers if exact else [np.full_like(answer, np.nan) for answer in answers]

    monkeypatch.setattr(Evaluator, "run", only_exact)
    assert certify(digits_bundle.model, pixels) == told


@pytest.mark.spec("CE-1")
def test_no_level_of_any_pixel_flips_a_certified_image_unnoticed(digits_bundle: Bundle) -> None:
    """Every change there is, on as many images as a test may take."""
    pixels = open_source("digits").pixels(range(60))
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape)
    proven = [
        image
        for image, found in zip(pixels, certify(digits_bundle.model, pixels), strict=True)
        if found.certified
    ]
    assert proven
    audits = [audit(evaluator, image) for image in proven]
    assert all(each.changes == 64 * 255 for each in audits)
    assert sum(each.unnoticed for each in audits) == 0


def test_the_audit_does_see_unnoticed_flips() -> None:
    # Even the neighbours' median is bright, so no repair objects to a bright decisive pixel.
    image = np.full((6, 6, 1), 255, np.uint8)
    image[3, 3] = 0
    model = OneDecisivePixel(3, 3).eval()
    (found,) = certify(model, image[None])
    assert found.holes == (Hole(3, 3, 1),)
    done = audit(Evaluator(model, (6, 6, 1)), image)
    assert (done.changes, done.flips, done.unnoticed) == (36 * 255, 128, 128)
    with pytest.raises(BadRequestError, match="grey"):
        audit(Evaluator(model, (6, 6, 3)), np.repeat(image, 3, 2))
