"""The frozen detector, its study in the bundle, regimes, and the library's baselines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ndcore.activations.reading import Reading
from ndcore.bundles.bundle import Bundle, list_bundles, load_bundle
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.detectors import DivergenceDetector, Verdict, load_detector
from ndcore.detectors import repair as repair_module
from ndcore.detectors.regime import regime_of, typicality
from ndcore.detectors.scoring.detector import Measured
from ndcore.detectors.scoring.ood_library import library_detectors, linear_head
from ndcore.detectors.scoring.reference import Reference
from ndcore.errors import BadRequestError, BundleError
from ndcore.storage.places import bundles_dir
from ndcore.study import find_study
from ndcore.study.calibrated import FrozenDetector, load_frozen
from ndcore.study.run import StudyConfig, run_study
from ndcore.study.ship import ship_study
from pages.ui.detector.evidence import shares


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
    (foreign / "study.json").write_text(json.dumps(document | {"weight_hash": "other"}))
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
    frozen, study = load_frozen(shipped), find_study(shipped)
    assert study is not None
    about = study.about["evaluation"]
    source = open_source("digits")
    at = {key: index for index, key in enumerate(source.keys())}
    pixels = source.pixels([at[str(key)] for key in about["keys"][:6]])
    verdicts = frozen.detect(pixels, 0.1)
    column = study.names.index(frozen.detector.name)
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


def test_without_a_study_or_without_repairs_there_is_none(copied: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="study detectors --bundle digits-cnn"):
        load_frozen(copied)
    config = StudyConfig(attacks=("fgsm",), n=10, per_class=20, repairs=False)
    study = run_study(copied, open_source("digits"), config, tmp_path / "s")
    with pytest.raises(BundleError, match="without the repair"):
        FrozenDetector(copied, study)


def test_the_command_judges_by_repair(shipped: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["detect", "--bundle", "digits-cnn", "--source", "digits", "--n", "2"]
    assert main([*words, "--detector", "repair", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["detector"] == "repair"
    for row in document["results"]:
        assert set(row["suspect"]) == {"row", "col"}
        assert row["repaired"] in shipped.classes
    assert main([*words, "--detector", "repair"]) == 0
    assert "without it" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["wasserstein", "repair"])
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
        verdict = image["repair"]["verdict"] if name == "repair" else image["verdict"]
        assert row == {"file": image["name"]} | verdict
    judged.clear()
    repaired.clear()
    assert main([*words, "--no-repair", "--case-file", str(case)]) == 0
    assert (sum(judged), sum(repaired)) == (3, 3 if name == "repair" else 0)
    assert all(image["repair"] is None for image in json.loads(case.read_text())["images"])


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


def test_regimes_by_hand(digits_bundle: Bundle) -> None:
    assert [regime_of(share) for share in (0.05, 0.1, 0.5, 0.9, 0.95)] == [
        "between classes",
        "typical",
        "typical",
        "typical",
        "over-typical",
    ]
    source = open_source("digits")
    reading = digits_bundle.read(source.pixels(range(60)))
    last = digits_bundle.layers[-1]
    shares = typicality(reading.logits, digits_bundle.distributions(last, "value"))
    assert (shares > 0).all()
    assert (shares < 1).all()
    low, high = reading.logits.copy(), reading.logits.copy()
    rows = np.arange(60), reading.predicted
    high[rows] += 1000
    assert (typicality(high, digits_bundle.distributions(last, "value")) > 0.99).all()
    low -= 1000  # the same class wins, with a logit below all others of it
    assert (typicality(low, digits_bundle.distributions(last, "value")) < 0.01).all()
    verdict = load_detector(digits_bundle).detect(source.pixels([3]))[0]
    assert verdict.typicality == pytest.approx(shares[3])
    assert verdict.to_dict(digits_bundle.classes)["regime"] == regime_of(shares[3])


def test_layers_and_the_shown_bars_sum_to_the_score(digits_bundle: Bundle) -> None:
    for verdict in load_detector(digits_bundle).detect(open_source("digits").pixels(range(5))):
        assert sum(layer.contribution for layer in verdict.layers) == pytest.approx(
            verdict.score, rel=1e-5
        )
        names, parts = shares(verdict)
        assert len(names) == len(parts) == len(set(names))
        assert sum(parts) == pytest.approx(verdict.score, rel=1e-5)


def linear_reference(rng: np.random.Generator, head: torch.nn.Linear) -> Reference:
    labels = np.repeat(np.arange(3), 40)
    features = (rng.normal(size=(120, 16)) + 3 * np.eye(16)[labels]).astype(np.float32)
    with torch.no_grad():
        logits = head(torch.from_numpy(features)).numpy()
    return Reference("hash", 3, {}, features, labels.astype(np.int64), logits)


def test_the_library_s_detectors_mind_what_is_far_away(rng: np.random.Generator) -> None:
    head = torch.nn.Linear(16, 3)
    with torch.no_grad():
        head.weight.copy_(torch.eye(16)[:3])
        head.bias.zero_()
    reference = linear_reference(rng, head)
    found = linear_head(reference)
    assert found is not None
    assert torch.allclose(found.weight, head.weight, atol=1e-4)
    near = (rng.normal(size=(50, 16)) + 3 * np.eye(16)[rng.integers(0, 3, 50)]).astype(np.float32)
    far = (6 * rng.normal(size=(50, 16))).astype(np.float32)
    far[:, :3] = rng.normal(size=(50, 3)) / 3  # no class, and odd in every other direction

    def measured(features: np.ndarray) -> Measured:
        with torch.no_grad():
            logits = head(torch.from_numpy(features)).numpy()
        seen = SimpleNamespace(penultimate=features, logits=logits, predicted=logits.argmax(1))
        return Measured(seen)  # type: ignore[arg-type]

    for detector in library_detectors():
        detector.prepare(reference, measured(near))
        usual, odd = (np.median(detector.score(measured(f))) for f in (near, far))
        assert np.isfinite([usual, odd]).all()
        assert odd > usual, detector.name


def test_a_head_that_is_not_linear_is_no_head(rng: np.random.Generator) -> None:
    reference = linear_reference(rng, torch.nn.Linear(16, 3))
    bent = Reference(
        "hash", 3, {}, reference.penultimate, reference.labels, np.tanh(reference.logits)
    )
    assert linear_head(bent) is None
