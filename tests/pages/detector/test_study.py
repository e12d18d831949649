"""The study panel: a finished study in words, tables and curves; none, or a damaged one."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.detectors.registry import title_of
from ndcore.statistics.intervals import Rate
from ndcore.storage.places import study_dir
from ndcore.study.config import StudyConfig
from ndcore.study.run import run_study
from ndcore.study.saved import load_study
from pages.ui.detector.study.adversaries import _proven
from pages.ui.detector.study.certified import told
from pages.ui.detector.study.findings import headline
from pages.ui.detector.study.rows import detector_rows, leading
from tests.ui import opened, texts

NEW = ("certificate", "families", "mead", "self_test", "choice")
PAGE = "pages/3_Divergence_Detector.py"


@pytest.fixture(scope="module")
def finished(digits_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of the digits bundle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(digits_cache))
        from ndcore.bundles.bundle import load_bundle

        folder = tmp_path_factory.mktemp("study")
        config = StudyConfig(attacks=("one-pixel", "deepfool"), n=12, per_class=20)
        run_study(load_bundle("digits-cnn"), open_source("digits"), config, folder)
    return folder


@pytest.fixture
def page(digits_bundle: Bundle, finished: Path) -> Iterator[AppTest]:
    st.cache_data.clear()
    folder = study_dir(digits_bundle.name)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("study.json", "study.npz"):
        shutil.copy(finished / name, folder / name)
    at = opened(PAGE)
    at.session_state["detector_tab"] = "The study"
    yield at.run()
    shutil.rmtree(folder)


def test_without_a_study_the_command_is_told(digits_bundle: Bundle) -> None:
    at = opened(PAGE)
    at.session_state["detector_tab"] = "The study"
    at.run()
    assert not at.exception
    assert "python -m ndcore study detectors --bundle digits-cnn" in texts(at)


def test_the_study_is_shown_with_what_was_frozen_first(page: AppTest) -> None:
    assert not page.exception
    assert not page.error
    told = texts(page)
    assert "fixed before these images were looked at" in told
    assert "benign images" in told
    assert len(page.get("plotly_chart")) == 3


@pytest.mark.spec("CE-5")
def test_what_is_proven_is_told_or_that_the_study_is_older(
    page: AppTest, digits_bundle: Bundle
) -> None:
    path = study_dir(digits_bundle.name) / "study.json"
    document = json.loads(path.read_text())
    correct = Rate.of(document["certificate"]["flip"]["correct"])
    said = texts(page)
    assert f"On **{correct.text}** of {correct.n:,} correctly classified images" in said
    assert "none of them broke it" in said
    assert "Which detector for which attack" in said
    page.session_state["study_certified_table"] = True
    page.run()
    classes = next(f.value for f in page.dataframe if "class" in f.value.columns)
    assert classes["n"].sum() == correct.n
    older = {key: value for key, value in document.items() if key not in NEW}
    path.write_text(json.dumps(older))
    page.run()
    assert not page.exception
    assert "This study is older than its certificates" in texts(page)
    assert "Which detector for which attack" not in texts(page)
    assert len(page.get("plotly_chart")) == 2


def test_a_broken_proof_is_said_aloud(finished: Path) -> None:
    found = json.loads((finished / "study.json").read_text())["certificate"]
    found["attacks"][0] |= {"on_certified": 7, "violations": 2}
    assert "**2 of them broke** it" in told(found)


def test_a_row_of_an_attacker_has_its_bound() -> None:
    rates = {"rate": 0.01, "ci95": [0.0, 0.1], "n": 100}
    row = {"by_flip": rates, "flip_evasion": rates}
    assert set(_proven(row).values()) == {"1.0%", "no proof"}
    bound = _proven(row | {"bound": rates | {"rate": 0.2}, "flip_bound": rates})
    assert bound["proven: never more than"] == "20.0%; by a flip 1.0%"
    assert _proven({}) == {}


def test_a_link_restores_what_was_chosen(page: AppTest, digits_bundle: Bundle) -> None:
    page.session_state["study_attack"] = "deepfool"
    page.session_state["study_against"] = "misclassified"
    page.run()
    assert not page.exception
    curves = page.multiselect(key="study_curves_deepfool")
    document = load_study(study_dir("digits-cnn"), digits_bundle.weight_hash).document
    best = leading(document, detector_rows(document, "deepfool"))
    assert curves.value == best, "those of this attack"
    assert len(best) == 5
    words = [title_of(name) for name in best]
    assert [text.lower() for text in page.table[0].value["how it tells"]] == [
        text.lower() for text in words
    ]
    curves.set_value([best[4], best[0]]).run()
    page.slider(key="study_threshold").set_value(12.5).run()
    page.multiselect(key="study_measures").set_value(["w1-top"]).run()
    assert not page.exception
    again = opened(PAGE)
    for name, value in page.query_params.items():
        again.query_params[name] = value
    again.session_state["detector_tab"] = "The study"
    again.run()
    assert not again.exception
    assert not again.warning
    for kind, key in (
        ("selectbox", "study_attack"),
        ("segmented_control", "study_against"),
        ("multiselect", "study_curves_deepfool"),
        ("slider", "study_threshold"),
        ("multiselect", "study_measures"),
    ):
        assert getattr(again, kind)(key=key).value == getattr(page, kind)(key=key).value
    assert re.search(f"“{title_of(best[4])}” flags [0-9.]+% of the benign", texts(again))


@pytest.mark.spec("DD-6")
def test_the_table_is_sorted_and_a_tie_goes_to_the_baseline(page: AppTest) -> None:
    assert not [f for f in page.dataframe if "what it is" in f.value.columns]
    every = opened(PAGE, detector_tab="The study", study_every="1", duels="1")
    assert not every.exception
    frame = next(f.value for f in every.dataframe if "what it is" in f.value.columns)
    duels = next(table.value for table in every.table if "better" in table.value.columns)
    assert set(duels["better"]) <= {"ours", "**baseline**"}
    assert frame["AUROC"].is_monotonic_decreasing
    assert {"vs. correct", "vs. natural errors", "same confidence"} <= set(frame.columns)
    found = {"auroc": 0.9, "ci95": [0.8, 1.0], "aupr": 0.5, "fpr_at_95_tpr": 0.1}
    found["against"] = {
        name: {"auroc": 0.9}
        for name in ("benign-correct", "benign-misclassified", "confidence-matched")
    }
    found["tpr_at_fpr"] = {"0.05": 0.8}
    rows = [
        {
            "name": name,
            "kind": kind,
            "about": "",
            "frozen": kind == "ours",
            "realised_fpr": {"0.05": 0.05},
            "attacks": {"one-pixel": found},
        }
        for name, kind in (("ours", "ours"), ("softmax", "baseline"))
    ]
    attack = {"name": "one-pixel", "about": "one pixel", "n": 3}
    document = {"attacks": [attack], "detectors": rows}
    assert list(detector_rows(document, "one-pixel")["detector"]) == ["softmax", "ours"]
    assert "it is beaten by the best baseline, softmax" in headline(document)


def test_a_damaged_study_is_one_sentence(page: AppTest, digits_bundle: Bundle) -> None:
    path = study_dir(digits_bundle.name) / "study.npz"
    path.write_bytes(path.read_bytes()[:100])
    page.run()
    assert not page.exception
    assert len(page.error) == 1
    assert "study" in page.error[0].value
