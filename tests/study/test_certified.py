"""Proofs of a study: their bounds against what changes of one pixel really do."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.certificate import certify
from ndcore.data.catalog import open_source
from ndcore.detectors.by_repair import REPAIR_SCORES, repair_bound, repair_score
from ndcore.detectors.repair import repair
from ndcore.networks.evaluator import Evaluator, evaluator_for
from ndcore.study.certified import mead
from ndcore.study.measured.proofs import ProvenRepairs, prove
from tests.decisive_pixel import OneDecisivePixel

IMAGES = 6


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return open_source("digits").pixels(list(range(IMAGES)))


@pytest.fixture
def proven(digits_bundle: Bundle, pixels: np.ndarray) -> ProvenRepairs:
    exact = evaluator_for(digits_bundle.model, digits_bundle.shape, "float32")
    return prove(exact, exact, pixels)


@pytest.mark.spec("CE-4", "CE-5")
def test_no_change_of_a_pixel_scores_below_its_bound(
    digits_bundle: Bundle, pixels: np.ndarray, proven: ProvenRepairs
) -> None:
    exact = evaluator_for(digits_bundle.model, digits_bundle.shape, "float32")
    rng = np.random.default_rng(0)
    checked = 0
    for image, label, at in zip(pixels, proven.predicted, range(IMAGES), strict=True):
        # The changes that come nearest to another class, and some others, flips or not.
        rows, cols = (rng.integers(0, 8, 400) for _ in range(2))
        changed = np.repeat(image[None], 400, 0)
        changed[np.arange(400), rows, cols, 0] = rng.integers(0, 2, 400) * 255
        logits = exact.plain(changed)
        lead = logits[:, label] - np.delete(logits, label, 1).max(1)
        some = changed[np.argsort(lead)[:3]]
        found = repair(exact, some)
        for name in REPAIR_SCORES:
            bound = repair_bound(name, proven.most[at : at + 1], proven.holes[at : at + 1])[0]
            for score, after in zip(repair_score(name, found), found.predicted, strict=True):
                if after != label:
                    assert score >= bound[after] - 1e-3, name
                    checked += np.isfinite(bound[after])
    if not checked:
        pytest.fail("no change flipped an image: try other images")


@pytest.mark.spec("CE-1")
def test_it_certifies_what_the_certificate_does(
    digits_bundle: Bundle, pixels: np.ndarray, proven: ProvenRepairs
) -> None:
    alone = certify(digits_bundle.model, pixels)
    assert proven.certified.tolist() == [one.certified for one in alone]
    assert proven.lead == pytest.approx([one.margin for one in alone], abs=1e-4)
    for at, one in enumerate(alone):
        holes = {(hole.row, hole.col) for hole in one.holes}
        assert {(int(r), int(c)) for r, c in np.argwhere(proven.taken[at] >= 0)} == holes
    # The repairs are those of the detector.
    found = repair(evaluator_for(digits_bundle.model, digits_bundle.shape), pixels)
    largest = [each.drop.reshape(IMAGES, -1).max(1) for each in (proven, found)]
    assert largest[0] == pytest.approx(largest[1], abs=1e-3)
    assert (proven.label[found.exact] == found.label[found.exact]).all()
    kept = proven.logits[np.arange(IMAGES), :, :].astype(np.float32)
    assert (kept.argmax(-1) == proven.label).mean() > 0.99


def test_a_hole_is_what_the_decisive_pixel_leaves_open() -> None:
    """Its own repair alone has another label, so a change back to dark passes there."""
    evaluator = Evaluator(OneDecisivePixel(5, 2).eval(), (8, 8, 3))
    pixels = np.full((2, 8, 8, 3), 40, np.uint8)
    pixels[1, 5, 2, 0] = 255
    found = prove(evaluator, evaluator, pixels)
    assert found.certified.tolist() == [True, False]
    assert np.argwhere(found.taken[1] >= 0).tolist() == [[5, 2]]
    assert found.taken[1, 5, 2] == 0
    assert found.holes.tolist() == [[False, False], [True, False]]
    # ln 2 - 1 = 0: of two classes the one predicted has log-odds of at least 0.
    high = repair_bound("repair-floor", found.most, found.holes)[0, 1]
    assert high == pytest.approx(2 * 20 * (0.5 - 40 / 255), rel=1e-4)
    flips_first = repair_bound("repair-flip", found.most, found.holes)
    assert found.certified_at(flips_first, np.full(2, 500.0)).tolist() == [True, False]
    assert found.certified_at(flips_first, np.full(2, 1100.0)).tolist() == [False, False]


def test_an_image_counts_only_if_all_its_attacks_are_caught() -> None:
    found = mead(
        {
            "one": (["a", "b"], np.array([True, True])),
            "two": (["b", "c"], np.array([False, True])),
        }
    )
    assert found["n"] == 3
    assert found["rate"] == pytest.approx(2 / 3)
    assert found["attacks"] == ["one", "two"]
