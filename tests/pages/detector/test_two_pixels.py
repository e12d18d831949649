"""Pairs of blocks as a job: what it proves is told, and it can be stopped."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.certificate.recovery import recover
from ndcore.certificate.two_pixels import certify_two
from ndcore.data.pairs import Pair
from ndcore.figures.detector.certificate import two_pixels_words
from ndcore.networks.evaluator import evaluator_for
from pages.ui.elements.certificate import with_badge
from tests.ui import ended, job_of, opened, texts

PAGE = "pages/3_Divergence_Detector.py"


@pytest.mark.spec("CE-6")
def test_the_pairs_of_an_image_are_asked(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(PAGE, pair=pair.token(), pairs_box="1", pairs_block="2", pairs_image="benign")
    assert not at.exception
    assert at.button(key="pairs_start").label == "Ask up to 136 pairs"
    at.button(key="pairs_start").click().run()
    job = ended(job_of(at, "pairs"))
    assert job.state == "done", job.error
    at.run()
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape, "float32")
    found = certify_two(evaluator, pair.benign, 2)
    back = recover(evaluator, pair.benign, 2)
    label = digits_bundle.classes[int(evaluator.plain(pair.benign[None]).argmax())]
    told = found.to_dict() | {"recovered": back.to_dict(digits_bundle.classes)}
    assert with_badge(two_pixels_words(told, label)) in texts(at)
    # Of another image nothing is known yet.
    again = opened(PAGE, **dict(at.query_params) | {"pairs_image": "attacked"})
    assert again.button(key="pairs_start")
    assert "for two pixels: " not in texts(again)


def test_it_can_be_stopped(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(evaluator: object, image: object, block: int, report: Callable[[int], None]) -> None:
        report(7)
        while True:
            evaluator_of(evaluator)
            time.sleep(0.01)

    def evaluator_of(evaluator: object) -> None:
        evaluator.plain(pair.benign[None])  # type: ignore[attr-defined]

    monkeypatch.setattr("ndcore.tasks.certificates.certify_two", slow)
    at = opened(PAGE, pair=pair.token(), pairs_box="1", pairs_block="2")
    at.button(key="pairs_start").click().run()
    at.button(key="stop_pairs").click().run()
    assert ended(job_of(at, "pairs")).state == "cancelled"
    at.run()
    assert not at.exception
    assert at.button(key="pairs_start")
