"""The Detector page's causal test and case file, by AppTest."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from ndcore.analysis.causal_finding import causal_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.errors import StoppedError
from tests.ui import ended, job_of, opened, texts

PAGE = "pages/3_Divergence_Detector.py"


def test_the_causal_test_says_what_came_of_it(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(PAGE, pair=pair.token())
    assert not at.exception
    assert "are held at their median over" in texts(at)
    at.button(key="clamp").click().run()
    job = ended(job_of(at, "clamp"))
    assert job.state == "done", job.error
    at.run()
    assert not at.exception
    told = texts(at)
    test, _ = job.result
    assert test.wanted == digits_bundle.read(pair.benign[None]).predicted[0]
    assert causal_sentence(test, digits_bundle.classes) in told
    assert "benign images (digits)" in told
    assert "95% interval" in told
    frame = next(f.value for f in at.dataframe if "clamped" in f.value.columns)
    assert list(frame["clamped"])[-4:] == list(digits_bundle.layers[:-1])
    assert (frame["random draws"].dropna() == 20).all()
    again = opened(PAGE, pair=pair.token(), clamp=job.id)
    assert causal_sentence(test, digits_bundle.classes) in texts(again)
    # another score means other neurons, so the answer is gone
    at.selectbox(key="detector").set_value("surprisal").run()
    assert at.button(key="clamp")


def test_a_stopped_test_can_be_started_again(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object, should_stop: Callable[[], bool], **__: object) -> None:
        while not should_stop():
            time.sleep(0.01)
        raise StoppedError("stopped")

    monkeypatch.setattr("pages.ui.detector.clamp.causal_test", slow)
    at = opened(PAGE, pair=pair.token())
    at.button(key="clamp").click().run()
    at.button(key="stop_clamp").click().run()
    assert ended(job_of(at, "clamp")).state == "cancelled"
    at.run()
    assert not at.exception
    assert "Stopped." in texts(at)
    assert at.button(key="clamp")


def test_case_files_can_be_had(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(PAGE, pair=pair.token())
    buttons = {button.proto.label for button in at.get("download_button")}
    assert {"Case file (HTML)", "Case file (JSON)", "Verdicts as JSON"} <= buttons
    assert "joins it once it was made" in texts(at)
    at.button(key="suspect").click().run()
    assert not at.exception
    assert "joins it once it was made" not in texts(at)
