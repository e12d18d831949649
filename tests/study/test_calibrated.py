"""The frozen detector, and its study in the bundle."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle, list_bundles, load_bundle
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.detectors import DivergenceDetector, Verdict
from ndcore.detectors import repair as repair_module
from ndcore.errors import BadRequestError, BundleError
from ndcore.storage.places import bundles_dir
from ndcore.study import find_study
from ndcore.study.calibrated import Detectors
from ndcore.study.config import StudyConfig
from ndcore.study.run import run_study
from ndcore.study.ship import ship_study


@pytest.fixture(scope="module")
def finished(digits_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of the digits bundle with an attacker who knows the detector."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(digits_cache))
        folder = tmp_path_factory.mktemp("study")
        config = StudyConfig(attacks=("one-pixel", "least-divergent", "decoy"), n=15, per_class=20)
        run_study(load_bundle("digits-cnn"), open_source("digits"), config, folder)
    return folder


@pytest.fixture
def copied(digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The digits bundle in a cache of its own, to write into."""
    shutil.copytree(bundles_dir() / "digits-cnn", tmp_path / "bundles" / "digits-cnn")
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    return load_bundle("digits-cnn")


@pytest.fixture
def shipped(copied: Bundle, finished: Path) -> Bundle:
    ship_study(copied, finished)
    return load_bundle("digits-cnn")


def test_a_shipped_study_is_part_of_the_bundle(shipped: Bundle) -> None:
    assert {name for name in shipped.manifest["files"] if name.startswith("study/")} == {
        "study/desk.npz",
        "study/study.json",
        "study/study.npz",
    }
    study = find_study(shipped)
    assert study is not None
    assert study.document["bundle"] == "digits-cnn"
    path = shipped.folder / "study" / "study.npz"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BundleError, match=r"study/study.npz does not match"):
        load_bundle("digits-cnn")
    path.unlink()
    assert [info.problem for info in list_bundles()] == [
        "bundle 'digits-cnn' lacks study/study.npz"
    ]


def test_shipping_again_replaces_and_nothing_foreign_is_shipped(
    shipped: Bundle, finished: Path, tmp_path: Path
) -> None:
    ship_study(shipped, finished)
    assert load_bundle("digits-cnn").manifest["files"] == shipped.manifest["files"]
    foreign = tmp_path / "foreign"
    shutil.copytree(finished, foreign)
    document = json.loads((foreign / "study.json").read_text())
    (foreign / "study.json").write_text(json.dumps(document | {"weight_hash": "0" * 64}))
    with pytest.raises(BundleError, match="of other weights"):
        ship_study(shipped, foreign)


def test_a_file_that_no_bundle_has_is_refused(copied: Bundle) -> None:
    place = copied.folder / "manifest.json"
    manifest = json.loads(place.read_text())
    (copied.folder / "more.pkl").write_bytes(b"")
    place.write_text(json.dumps(manifest | {"files": manifest["files"] | {"more.pkl": ""}}))
    with pytest.raises(BundleError, match=r"unknown file 'more.pkl'"):
        load_bundle("digits-cnn")


def test_the_frozen_detector_gives_the_study_s_p_values(shipped: Bundle) -> None:
    here, study = Detectors(shipped), find_study(shipped)
    assert here.usual == "repair-turn"
    frozen = here.open()
    assert study is not None
    about = study.about["evaluation"]
    source = open_source("digits")
    at = {key: index for index, key in enumerate(source.keys())}
    pixels = source.pixels([at[str(key)] for key in about["keys"][:6]])
    verdicts = frozen.detect(pixels, 0.1)
    column = study.names.index("repair-turn")
    for i, verdict in enumerate(verdicts):
        assert verdict.predicted == about["predicted"][i]
        assert verdict.score == pytest.approx(study.scores["evaluation"][i, column], abs=1e-4)
        assert verdict.suspect == tuple(about["suspect"][i])
        assert verdict.repaired == about["repaired"][i]
        same = study.about["calibration"]["predicted"] == verdict.predicted
        benign = study.scores["calibration"][same, column]
        assert verdict.calibration_images == same.sum()
        at_least = int((benign >= np.float32(verdict.score)).sum())
        assert verdict.p_value == pytest.approx((1 + at_least) / (1 + same.sum()), abs=1e-9)
        assert verdict.flagged == (verdict.p_value <= 0.1)
    with pytest.raises(BadRequestError, match="alpha"):
        frozen.detect(pixels, 0)
    with pytest.raises(BadRequestError, match="images must be"):
        frozen.detect(np.zeros((1, 9, 9, 1), np.uint8))


def test_the_study_s_choice_is_the_usual_one(shipped: Bundle) -> None:
    study = find_study(shipped)
    assert study is not None
    chosen = {"choice": {"chosen": "repair-pair-flip"}}
    other = replace(study, document=study.document | chosen)
    here = Detectors(shipped, lambda: other)
    assert here.usual == here.repairer().name == here.open().name == "repair-pair-flip"
    older = {key: value for key, value in study.document.items() if key != "choice"}
    before = Detectors(shipped, lambda: replace(study, document=older))
    assert before.usual == before.repairer().name == "repair-turn"
    gone = {"choice": {"chosen": "knn"}}  # it judges no other images
    none = Detectors(shipped, lambda: replace(study, document=study.document | gone))
    assert none.usual == "repair-turn"


def test_without_a_study_or_without_repairs_there_is_none(copied: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="study detectors --bundle digits-cnn"):
        Detectors(copied).open("repair-turn")
    config = StudyConfig(attacks=("fgsm",), n=10, per_class=20, repairs=False)
    study = run_study(copied, open_source("digits"), config, tmp_path / "s")
    here = Detectors(copied, lambda: study)
    assert here.usual == "wasserstein"
    assert not here.repairer().fitted
    with pytest.raises(BundleError, match="no calibration for 'repair-turn'"):
        here.open("repair-turn")


def test_baselines_judge_images_as_the_study_did(shipped: Bundle) -> None:
    here, study = Detectors(shipped), find_study(shipped)
    assert study is not None
    about, source = study.about["evaluation"], open_source("digits")
    at = {key: index for index, key in enumerate(source.keys())}
    pixels = source.pixels([at[str(key)] for key in about["keys"][:6]])
    names = [name for name in here.entries if name not in shipped.calibrations]
    assert names[0] == "repair-turn"
    assert {"llr", "logit-gap", "pixel-outlier", "median-squeeze"} < set(names)
    for name in names:
        wanted = study.scores["evaluation"][:6, study.names.index(name)]
        verdicts = here.open(name).detect(pixels, 0.1)
        assert [verdict.score for verdict in verdicts] == pytest.approx(
            wanted, rel=1e-3, abs=1e-3
        ), name
        assert [verdict.layers for verdict in verdicts] == [()] * 6
        assert (verdicts[0].suspect is not None) == name.startswith("repair-")
    with pytest.raises(BadRequestError, match="'knn' judges the images of the study alone"):
        here.open("knn")


def test_a_damaged_study_stops_only_what_needs_it(shipped: Bundle) -> None:
    path = shipped.folder / "study" / "study.npz"
    path.write_bytes(path.read_bytes()[:-10])
    here = Detectors(shipped)
    assert here.usual == "wasserstein"
    assert here.open("surprisal").fitted
    with pytest.raises(BundleError, match="damaged"):
        here.open("repair-turn")


def test_the_command_judges_by_repair(shipped: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["detect", "--bundle", "digits-cnn", "--source", "digits", "--n", "2"]
    assert main([*words, "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["detector"] == "repair-turn"
    for row in document["results"]:
        assert set(row["suspect"]) == {"row", "col"}
        assert row["repaired"] in shipped.classes
        assert row["layers"] == row["units"] == []
    # Under its earlier name, which the answer puts right.
    assert main([*words, "--detector", "repair"]) == 0
    told = capsys.readouterr().out
    assert "judged by repair-turn" in told
    assert "most suspicious pixel (" in told


@pytest.mark.parametrize("name", ["wasserstein", "repair-turn"])
def test_a_case_file_judges_and_repairs_each_image_once(
    shipped: Bundle, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[int] = []
    repaired: list[int] = []
    explain, neighbours = DivergenceDetector.explain, repair_module.median_of_neighbours

    def counted(detector: DivergenceDetector, reading: Reading, alpha: float) -> list[Verdict]:
        judged.append(len(reading.predicted))
        return explain(detector, reading, alpha)

    def counted_repair(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        repaired.append(len(pixels))
        return neighbours(pixels)

    monkeypatch.setattr(DivergenceDetector, "explain", counted)
    monkeypatch.setattr(repair_module, "median_of_neighbours", counted_repair)
    words = ["detect", "--bundle", "digits-cnn", "--source", "digits", "--n", "3"]
    words += ["--detector", name]
    answer, case = tmp_path / "answer.json", tmp_path / "case.json"
    assert main([*words, "--json", str(answer), "--case-file", str(case)]) == 0
    assert (sum(judged), sum(repaired)) == (3, 3)
    told = json.loads(answer.read_text())["results"]
    for row, image in zip(told, json.loads(case.read_text())["images"], strict=True):
        proven = {"certificate": image["certificate"]}
        assert row == {"file": image["name"]} | image["verdict"] | proven
        assert (image["verdict"] == image["repair"]["verdict"]) == (name == "repair-turn")
        layers = image["by_layers"] if name == "repair-turn" else image["verdict"]
        assert [layer["layer"] for layer in layers["layers"]] == list(shipped.layers)
    judged.clear()
    repaired.clear()
    assert main([*words, "--no-repair", "--case-file", str(case)]) == 0
    assert (sum(judged), sum(repaired)) == (3, 3 if name == "repair-turn" else 0)
    assert all(image["repair"] is None for image in json.loads(case.read_text())["images"])


@pytest.mark.spec("DD-7")
def test_attackers_who_know_it_flip_and_are_counted(finished: Path, digits_bundle: Bundle) -> None:
    document = json.loads((finished / "study.json").read_text())
    rows = {row["name"]: row for row in document["attacks"]}
    assert [rows[name]["knows_the_detector"] for name in ("one-pixel", "least-divergent")] == [
        False,
        True,
    ]
    for name, found in document["evasion"].items():
        assert found["detected"]["n"] == rows[name]["n"]
        if found["attacked"]:
            caught = round(found["detected"]["rate"] * found["detected"]["n"])
            missed = found["detected"]["n"] - caught
            assert found["evasion"]["rate"] == pytest.approx(missed / found["attacked"])
    # Submitted is what is suspected least, so it is caught no more often than the plain attack.
    evasion = document["evasion"]
    assert (
        evasion["least-divergent"]["detected"]["rate"] <= evasion["one-pixel"]["detected"]["rate"]
    )
