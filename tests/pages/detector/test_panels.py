"""The Detector page's causal test and case file, by AppTest."""

from __future__ import annotations

import pkgutil
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from ndcore.analysis.causal_finding import causal_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.registry import DETECTORS
from ndcore.detectors.repair import repair
from ndcore.detectors.second_repair import second_repair
from ndcore.errors import StoppedError
from ndcore.figures.detector.second_repair import second_words
from ndcore.networks.evaluator import evaluator_for
from ndcore.study.calibrated import Detectors
from pages.ui.frame import loaders
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
    assert "benign images (Digits)" in told
    assert "95% interval" in told
    at.session_state["clamp_table"] = True
    at.run()
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


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("kl", "There is no detector 'kl': KL from one value to a density is infinite"),
        ("<b>", "Unknown detector '\\<b\\>': choose repair-turn"),
        ("repair-turn", "Bundle 'digits-cnn' has no calibration for 'repair-turn'"),
    ],
)
@pytest.mark.usefixtures("digits_bundle")
def test_a_detector_that_there_is_not_is_one_sentence(name: str, told: str) -> None:
    at = opened(PAGE, judge="digits", detector=name)
    assert not at.exception
    assert len(at.main.warning) == 1
    assert told in at.main.warning[0].value
    assert at.selectbox(key="detector").value == "wasserstein"
    assert "detector" not in at.query_params


def test_a_verdict_opens_elsewhere(pair: Pair) -> None:
    at = opened(PAGE, pair=pair.token())
    at.selectbox(key="detector").set_value("surprisal").run()
    at.select_slider(key="alpha").set_value(20).run()
    at.button(key="suspect").click().run()
    assert not at.exception
    again = opened(PAGE, **dict(at.query_params))
    assert not again.exception
    assert not again.main.warning
    assert "without the pixel at row" in texts(again)
    assert texts(again) == texts(at)


def test_a_triage_of_another_bundle_is_one_sentence(digits_bundle: Bundle) -> None:
    job = loaders.jobs().submit(lambda _: None, label="", kind="triage", about="other weights")
    at = opened(PAGE, detector_tab="Many images", triage_images="digits", triage=job.id)
    assert not at.exception
    assert len(at.main.info) == 1
    assert "of another bundle" in at.main.info[0].value
    assert "triage" not in at.query_params


def test_a_search_that_lasts_can_be_stopped_and_made_again(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        time.sleep(0.5)
        raise StoppedError("stopped")

    monkeypatch.setattr("pages.ui.detector.search.PATIENCE_S", 0.0)
    at = opened(PAGE, pair=pair.token())
    with monkeypatch.context() as patched:
        patched.setattr("ndcore.detectors.by_repair.RepairDetector.see", slow)
        at.button(key="suspect").click().run()
        assert "Which pixel carries the prediction?" in texts(at)
        at.button(key="stop_search").click().run()
        assert not at.exception
        for _ in range(50):
            if any(button.key == "search_again" for button in at.button):
                break
            time.sleep(0.1)
            at.run()
    assert "without the pixel" not in texts(at)
    monkeypatch.setattr("pages.ui.detector.search.PATIENCE_S", 60.0)
    at.button(key="search_again").click().run()
    assert not at.exception
    assert "without the pixel at row" in texts(at)


def test_a_page_that_runs_again_judges_and_draws_nothing_anew(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(name: str) -> None:
        work = pkgutil.resolve_name(name)

        def wrapped(*given: object, **named: object) -> object:
            made.append(name)
            return work(*given, **named)

        monkeypatch.setattr(name, wrapped)

    for figure in ("layer_profile", "null_distribution", "waterfall"):
        counted(f"pages.ui.detector.evidence.{figure}")
    counted("ndcore.detectors.layerwise.DivergenceDetector.explain")
    at = opened(PAGE, pair=pair.token())
    first = len(made)
    assert len(set(made)) == 4
    at.run()
    assert not at.exception
    assert len(made) == first
    at.select_slider(key="alpha").set_value(20).run()
    assert len(made) > first


def test_pictures_stand_while_the_search_goes_on(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        time.sleep(0.5)
        raise StoppedError("stopped")

    monkeypatch.setattr("pages.ui.detector.search.PATIENCE_S", 0.0)
    monkeypatch.setattr("ndcore.detectors.by_repair.RepairDetector.see", slow)
    monkeypatch.setitem(
        DETECTORS, "repair-turn", replace(DETECTORS["repair-turn"], calibrated_by="")
    )
    at = opened(PAGE, pair=pair.token(), detector="repair-turn")
    assert not at.exception
    assert at.button(key="stop_search")
    told = texts(at)
    assert "**Attacked image**, taken for" in told
    assert "**Benign image**, taken for" in told
    assert "The verdict follows once every pixel was looked at" in told
    assert "Flagged]" not in told, "no verdict yet"
    assert "unusual neurons, by distance" in told
    table = at.table[0].value
    assert set(table["attacked image"]) <= {":red-badge[flagged]", "no"}


@pytest.mark.spec("CE-6")
def test_a_flagged_image_whose_label_stays_is_repaired_twice(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Benign scores so low that everything is flagged.
    scores, classes = np.full(500, -1e3), np.arange(500) % 10
    monkeypatch.setattr(
        Detectors,
        "repairer",
        lambda here: RepairDetector(here.bundle).calibrate(scores, classes),
    )
    evaluator, source = evaluator_for(digits_bundle.model, (8, 8, 1)), open_source("digits")
    for number in range(40):
        (image,) = source.pixels([number])
        first = repair(evaluator, image[None])
        second = second_repair(evaluator, image, first)
        if second is not None:
            break
    assert second is not None
    changed = image.copy()
    changed[0, 0] ^= 1
    at = opened(PAGE, pair=Pair(f"digits:{number}", image, changed).token())
    at.button(key="suspect").click().run()
    assert not at.exception
    names = digits_bundle.classes
    told = second_words(names[int(first.predicted[0])], second.to_dict(names))
    assert told in texts(at)
