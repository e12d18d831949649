"""The tabs “Hypothesis desk” and “Many images”, on a small saved study of the digits."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.decode import encode_png
from ndcore.detectors.registry import title_of
from ndcore.study import load_study, study_dir
from ndcore.study.config import StudyConfig
from ndcore.study.run import run_study
from ndcore.study.triage import judge_study
from tests.ui import ended, job_of, opened, texts

PAGE = "pages/3_Divergence_Detector.py"
FILES = ("study.json", "study.npz", "desk.npz")


@pytest.fixture(scope="module")
def finished(digits_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(digits_cache))
        from ndcore.bundles.bundle import load_bundle

        folder = tmp_path_factory.mktemp("study")
        config = StudyConfig(attacks=("one-pixel",), n=30, per_class=20)
        run_study(load_bundle("digits-cnn"), open_source("digits"), config, folder)
    return folder


@pytest.fixture
def studied(digits_bundle: Bundle, finished: Path) -> Iterator[Bundle]:
    folder = study_dir(digits_bundle.name)
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copy(finished / name, folder / name)
    yield digits_bundle
    shutil.rmtree(folder)


def tab(name: str) -> AppTest:
    at = opened(PAGE)
    at.session_state["detector_tab"] = name
    return at.run()


def labelled(at: AppTest, kind: str, label: str):
    return next(one for one in at.get(kind) if getattr(one, "label", "").startswith(label))


@pytest.mark.parametrize("name", ["Hypothesis desk", "Many images"])
@pytest.mark.usefixtures("digits_bundle")
def test_without_a_study(name: str) -> None:
    at = tab(name)
    assert not at.exception
    assert not at.error
    if name == "Hypothesis desk":
        assert "python -m ndcore study detectors --bundle digits-cnn" in texts(at)
    else:
        assert "study" not in labelled(at, "button_group", "Images").options


@pytest.mark.spec("DD-8")
def test_a_hypothesis_is_frozen_once_and_stays_on_the_list(studied: Bundle) -> None:
    at = tab("Hypothesis desk")
    assert not at.exception
    assert [metric.value for metric in at.metric][1] == "not looked at"
    assert "look 1 at the evaluation images" in texts(at)
    assert "None: nobody has looked" in texts(at)
    assert "--measure w1-top" in at.code[0].value
    dev = at.metric[0].value
    at.button(key="freeze").click().run()
    assert not at.exception
    assert at.metric[0].value == dev
    assert float(at.metric[1].value) > 0
    assert "freeze" not in [button.key for button in at.button]
    assert "1 look" in texts(at)

    at.button(key="desk_preset_Last 2").click().run()
    assert at.metric[1].value == "not looked at"
    at.button(key="freeze").click().run()
    assert "2 looks" in texts(at)
    assert "only with at least 90%" in texts(at)
    at.button(key="desk_preset_All").click().run()
    assert "Frozen" in texts(at)
    assert "as look 1" in texts(at)
    # Another session sees the same list.
    again = tab("Hypothesis desk")
    assert "2 looks" in texts(again)
    assert again.metric[1].value == at.metric[1].value
    lines = (study_dir(studied.name) / "frozen.jsonl").read_text().splitlines()
    assert [len(json.loads(line)["hypothesis"]["layers"]) for line in lines] == [
        len(studied.layers),
        2,
    ]


@pytest.mark.usefixtures("studied")
def test_an_empty_choice_and_a_damaged_desk_are_a_sentence(studied: Bundle) -> None:
    at = tab("Hypothesis desk")
    at.multiselect[0].set_value([]).run()
    assert not at.exception
    assert "Choose at least one measure." in texts(at)
    at.multiselect[0].set_value(["spatial-w1-top"]).run()
    at.button(key="desk_preset_Last 2").click().run()
    assert "not defined on the chosen layers" in texts(at)
    path = study_dir(studied.name) / "desk.npz"
    path.write_bytes(path.read_bytes()[:200])
    st.cache_resource.clear()
    at.run()
    assert not at.exception
    assert len(at.error) == 1
    assert "damaged" in at.error[0].value


@pytest.mark.spec("DD-9")
def test_the_study_is_ranked_and_a_row_is_judged_in_full(studied: Bundle) -> None:
    at = tab("Many images")
    assert not at.exception
    assert not at.error
    told = texts(at)
    assert "images are flagged at 5%" in told
    assert "**False alarms**" in told
    assert "**Missed attacks**" in told
    frame = at.dataframe[0].value
    study = load_study(study_dir(studied.name), studied.weight_hash)
    judged = judge_study(study, "repair-turn", ["one-pixel"])
    assert len(frame) == len(judged)
    assert frame["p"].is_monotonic_increasing
    first = int((frame["kind"] == "benign").to_numpy().argmax())
    at.query_params["triage_row"] = f"benign:{frame['image'].iloc[first]}"
    at.run()
    assert not at.exception
    at.button(key="triage_open").click().run()
    assert not at.exception
    assert at.session_state["detector_tab"] == "One image"
    assert at.session_state["pair"][1].image_id == frame["image"].iloc[first]
    assert "Benign image" in texts(at)


@pytest.mark.usefixtures("studied")
def test_other_settings_of_the_ranked_study() -> None:
    at = tab("Many images")
    labelled(at, "selectbox", "Detector").set_value("1-max-softmax").run()
    labelled(at, "multiselect", "Attacks among them").set_value([]).run()
    assert not at.exception
    assert "**Missed attacks**" not in texts(at)
    at.session_state["alpha"] = 0.5
    at.run()
    assert not at.exception
    assert "are undecided" in texts(at)


@pytest.mark.parametrize("detector", ["wasserstein", "repair-turn"])
@pytest.mark.usefixtures("studied")
def test_images_of_a_source_are_judged_as_a_job(detector: str) -> None:
    at = tab("Many images")
    labelled(at, "button_group", "Images").set_value("digits").run()
    assert not at.exception
    at.number_input(key="triage_n_digits").set_value(20).run()
    labelled(at, "selectbox", "Detector").set_value(detector).run()
    at.button(key="triage_start").click().run()
    ended(job_of(at, "triage"))
    at.run()
    assert not at.exception
    assert not at.error
    assert f"judged by “{title_of(detector)}”" in texts(at)
    frame = at.dataframe[0].value
    assert set(frame["kind"]) == {"benign", "attacked"}
    picked = frame["image"][int((frame["kind"] == "attacked").to_numpy().argmax())]
    at.query_params["triage_row"] = f"attacked:{picked}"
    at.run()
    at.button(key="triage_open").click().run()
    assert not at.exception
    assert "Attacked image" in texts(at)


@pytest.mark.usefixtures("digits_bundle")
def test_uploads_are_judged_and_a_bad_file_is_said(digits_bundle: Bundle) -> None:
    pixels = open_source("digits").pixels([0, 1])
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for at_, image in enumerate(pixels):
            archive.writestr(f"{digits_bundle.classes[at_]}/{at_}.png", encode_png(image))
        archive.writestr("broken.png", b"no image")
    at = tab("Many images")
    labelled(at, "button_group", "Images").set_value("upload").run()
    assert at.button(key="triage_start").disabled
    at.file_uploader[0].set_value([("pack.zip", out.getvalue(), "application/zip")]).run()
    assert not at.exception
    assert "broken.png" in at.warning[0].value
    at.button(key="triage_start").click().run()
    ended(job_of(at, "triage"))
    at.run()
    assert not at.exception
    frame = at.dataframe[0].value
    assert set(frame["kind"]) == {"upload"}
    assert set(frame["true"]) == set(digits_bundle.classes[:2])
    assert "**False alarms**" not in texts(at)


def test_a_choice_outlives_a_look_at_another_tab(studied: Bundle) -> None:
    at = tab("Hypothesis desk")
    at.button(key="desk_preset_Last 2").click().run()
    chosen = at.code[0].value
    assert ",".join(studied.layers[-2:]) in chosen
    at.session_state["detector_tab"] = "One image"
    at.run()
    assert not at.code
    at.session_state["detector_tab"] = "Hypothesis desk"
    at.run()
    assert at.code[0].value == chosen


@pytest.mark.usefixtures("studied")
def test_a_link_opens_the_same_hypothesis_and_freezes_nothing() -> None:
    at = tab("Hypothesis desk")
    at.multiselect[0].set_value(["surprisal-top", "w1-top"]).run()
    at.button(key="desk_preset_First 2").click().run()
    labelled(at, "button_group", "Over layers").set_value("largest").run()
    assert not at.exception
    again = opened(PAGE)
    for name in ("desk_measures", "desk_layers", "desk_over"):
        again.query_params[name] = at.query_params[name]
    again.session_state["detector_tab"] = "Hypothesis desk"
    again.run()
    assert not again.exception
    assert not again.warning
    assert "--over largest" in again.code[0].value
    assert again.code[0].value == at.code[0].value
    assert again.metric[1].value == "not looked at"


@pytest.mark.usefixtures("studied")
def test_a_link_to_no_hypothesis_is_a_sentence_for_each_value() -> None:
    at = opened(PAGE)
    for name in ("desk_attack", "desk_measures", "desk_layers", "desk_over"):
        at.query_params[name] = "<b>"
    at.session_state["detector_tab"] = "Hypothesis desk"
    at.run()
    assert not at.exception
    assert len(at.main.warning) == 4
    assert not {"desk_attack", "desk_measures", "desk_layers", "desk_over"} & set(at.query_params)
    assert "--measure w1-top" in at.code[0].value
