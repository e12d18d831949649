from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.errors import BadRequestError, BundleError, StoppedError
from ndcore.statistics.roc import (
    auroc,
)
from ndcore.study import load_study
from ndcore.study.config import StudyConfig
from ndcore.study.measured.image_sets import CONTROLS, benign_set, control_set
from ndcore.study.run import run_study


@pytest.fixture
def study_folder(tmp_path: Path) -> Path:
    return tmp_path / "study"


CONFIG = StudyConfig(attacks=("one-pixel", "fgsm"), n=30, per_class=30)


def assert_proven(document: dict[str, Any]) -> None:
    """What a study proves, beside what its attacks reach."""
    found = document["certificate"]
    assert found["n"] == document["images"]["evaluation"]
    for row in found["attacks"]:
        assert row["violations"] == row["violations_of_frozen"] == 0
        assert row["on_certified"] <= row["n"]
    for rows in found["curves"].values():
        alarms = [row["alarms"]["all"]["rate"] for row in rows]
        assert alarms == sorted(alarms)
        shares = [row["certified"]["correct"]["rate"] for row in rows]
        assert shares == sorted(shares)
    plain = document["evasion"]["one-pixel"]
    assert plain["flip_bound"]["rate"] == pytest.approx(1 - found["flip"]["correct"]["rate"])
    families = document["families"]
    assert [row["name"] for row in families["rows"]] == ["one-pixel", "fgsm"]
    assert families["rows"][0]["chosen"] == document["choice"]["chosen"]
    assert document["self_test"]["passes_what_one_passes"]["n"] == document["self_test"]["n"] > 0
    assert document["mead"]["few-pixels"]["attacks"] == ["one-pixel"]


@pytest.mark.spec("DD-5", "ND-22", "CE-5")
def test_a_study_from_end_to_end(digits_bundle: Bundle, study_folder: Path) -> None:
    source = open_source("digits")
    study = run_study(digits_bundle, source, CONFIG, study_folder)
    document = study.document
    assert [attack["name"] for attack in document["attacks"]][:1] == ["one-pixel"]
    scores = [row["auroc"] for row in document["detectors"]]
    assert scores == sorted(scores, reverse=True)
    kinds = {row["kind"] for row in document["detectors"]}
    assert kinds == {"ours", "divergence", "baseline"}
    chosen = document["choice"]["chosen"]
    assert [row["name"] for row in document["detectors"] if row["frozen"]] == [chosen]
    assert chosen in [row["name"] for row in document["choice"]["rows"]]
    assert_proven(document)
    evaluation = set(digits_bundle.splits["evaluation"])
    for name, about in study.about.items():
        keys = set(about["keys"].tolist())
        assert keys <= (
            set(digits_bundle.splits["calibration"]) if name == "calibration" else evaluation
        )
    for row in document["detectors"]:
        found = row["attacks"]["one-pixel"]
        assert found["ci95"][0] <= found["auroc"] <= found["ci95"][1]
        assert set(row["tpr_at_fpr"]) == set(row["realised_fpr"]) == {"0.01", "0.05", "0.1"}
        column = study.names.index(row["name"])
        again = auroc(
            study.scores["evaluation"][:, column].astype(float),
            study.scores["one-pixel"][:, column].astype(float),
        )
        assert again == pytest.approx(found["auroc"], abs=1e-6)
        assert set(row["controls"]) <= set(CONTROLS)
    for rows in document["layers"].values():
        assert len(rows["attacks"]["one-pixel"]["all"]) == len(rows["layers"])
    assert document["localisation"]["one-pixel"]["suspect_is_the_pixel"]["n"] > 0
    # Attacks really flip, and benign twins are on record.
    about = study.about["one-pixel"]
    assert (about["predicted"] != about["labels"]).all()

    loaded = load_study(study_folder, digits_bundle.weight_hash)
    assert loaded.names == study.names
    assert np.array_equal(loaded.scores["one-pixel"], study.scores["one-pixel"])
    assert not any(
        values.ndim > 2
        for about in loaded.about.values()
        for key, values in about.items()
        if key != "spot"
    )
    with pytest.raises(BundleError, match="other weights"):
        load_study(study_folder, "another")


def test_a_stopped_study_goes_on(digits_bundle: Bundle, study_folder: Path) -> None:
    source = open_source("digits")
    steps: list[str] = []

    def stop() -> bool:
        return "repairs of calibration" in steps

    with pytest.raises(StoppedError):
        run_study(
            digits_bundle,
            source,
            CONFIG,
            study_folder,
            on_step=lambda what, done, total: steps.append(what),
            should_stop=stop,
        )
    later: list[str] = []
    first = run_study(
        digits_bundle,
        source,
        CONFIG,
        study_folder,
        on_step=lambda what, done, total: later.append(what),
    )
    assert "features of dev" in steps
    assert "features of dev" not in later
    assert "reference images" not in later
    third: list[str] = []
    again = run_study(
        digits_bundle, source, CONFIG, study_folder, on_step=lambda *step: third.append(step[0])
    )
    assert third == ["scores"]
    assert json.dumps(again.document) == json.dumps(first.document)


def test_on_the_command_line(
    digits_bundle: Bundle, study_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["study", "detectors", "--bundle", "digits-cnn", "--n", "20", "--no-repair"]
    arguments += ["--attacks", "one-pixel", "--out", str(study_folder)]
    assert main([*arguments, "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {"attacks", "detectors"} <= document.keys()
    assert "certificate" not in document
    needed = {"name", "auroc", "ci95", "tpr_at_fpr", "realised_fpr"}
    assert needed <= document["detectors"][0].keys()
    assert not any(row["frozen"] for row in document["detectors"])
    assert main(arguments) == 0
    assert "pixel-outlier" in capsys.readouterr().out
    for bad, message in (
        (["--attacks", "magic"], "unknown attack 'magic'"),
        (["--n", "0"], "at least 1"),
        (["--data", "samples"], "the data has classes"),
    ):
        assert main([*arguments, *bad]) == 2
        assert message in capsys.readouterr().err


@pytest.mark.spec("DD-5")
def test_controls_do_not_flip_and_do_change(digits_bundle: Bundle) -> None:
    benign = benign_set(digits_bundle, open_source("digits"), "evaluation", 20)
    for name in CONTROLS:
        found = control_set(digits_bundle, benign, name, n=8)
        assert len(found) == 8
        before = {key: benign.pixels[i] for i, key in enumerate(benign.ids)}
        changed = [
            (before[key] != image).any() for key, image in zip(found.ids, found.pixels, strict=True)
        ]
        assert any(changed)
        assert (digits_bundle.read(found.pixels).predicted == found.labels).all()
    with pytest.raises(BadRequestError, match="per-class"):
        StudyConfig(per_class=0)


def test_where_no_file_is_lossless_all_images_are_studied(digits_bundle: Bundle) -> None:
    digits = open_source("digits")
    lossy = replace(digits, lossless=np.zeros(len(digits), np.bool_))
    some = replace(digits, lossless=np.arange(len(digits)) % 2 == 0)
    assert len(benign_set(digits_bundle, lossy, "evaluation", 20)) == 20
    mixed = benign_set(digits_bundle, some, "evaluation", 20)
    assert all(digits.index(key) % 2 == 0 for key in mixed.ids)
