"""A detector is one file and one line, wherever a detector can be chosen."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from streamlit.testing.v1 import AppTest

from ndcore.activations.observed import Observed
from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.detectors.detector import Detector
from ndcore.detectors.registry import DEGENERATE, DETECTORS, Entry, compared_titles, title_of
from ndcore.errors import BundleError
from ndcore.storage.atomic import write_json
from ndcore.storage.places import ROOT, bundles_dir
from ndcore.study.calibrated import Detectors
from tests.detectors.toy import ENTRY
from tests.ui import ended, job_of, opened, texts

WORDS = ["detect", "digits:5", "digits:6", "--bundle", "digits-cnn"]


@pytest.fixture
def toy(digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The toy detector in the registry; the bundle's files stay as they are."""

    def digests() -> list[str]:
        files = sorted(path for path in digits_bundle.folder.rglob("*") if path.is_file())
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]

    before = digests()
    monkeypatch.setitem(DETECTORS, "toy", ENTRY)
    yield
    assert digests() == before


def page(tab: str) -> AppTest:
    at = opened("pages/3_Divergence_Detector.py", bundle="digits-cnn")
    at.session_state["detector_tab"] = tab
    return at.run()


def test_every_detector_goes_by_words_of_its_own() -> None:
    titles = compared_titles() | {name: entry.title for name, entry in DETECTORS.items()}
    assert len(set(titles.values())) == len(titles)
    shipped = ROOT / "cache" / "bundles" / "cifar10-vgg16" / "study" / "study.json"
    for row in json.loads(shipped.read_text())["detectors"]:
        assert title_of(row["name"]) == titles[row["name"]] != row["name"]
    for name in set(compared_titles()) & set(DETECTORS):
        assert compared_titles()[name] == DETECTORS[name].title
    assert not [
        title for title in titles.values() for name in titles if "-" in name and name in title
    ]
    assert title_of("of-an-earlier-version") == "of-an-earlier-version"


def test_what_was_opened_before_knows_it_too(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_before = Detectors(digits_bundle)
    without, digest = [*opened_before.entries], opened_before.digest
    monkeypatch.setitem(DETECTORS, "toy", ENTRY)
    assert [*opened_before.entries] == [*without, "toy"]
    assert opened_before.digest != digest


@pytest.mark.usefixtures("toy")
def test_the_command_line_and_the_case_file_know_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = tmp_path / "case.json"
    words = [*WORDS, "--detector", "toy", "--json", "-", "--case-file", str(case)]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["detector"] == "toy"
    for row in document["results"]:
        assert row["score"] == pytest.approx(1 - row["confidence"])
        assert row["calibration_images"] == 99
        assert row["layers"] == row["units"] == []
        assert not {"suspect", "regime"} & set(row)
    found = json.loads(case.read_text())
    assert found["provenance"]["detector"] == "toy"
    for row, image in zip(document["results"], found["images"], strict=True):
        assert row == {"file": image["name"]} | image["verdict"] | {
            "certificate": image["certificate"]
        }
        # What it does not look at is told by one that does, under that one's name.
        assert image["by_layers"]["detector"] == "wasserstein"
    assert main([*words[:-1], str(tmp_path / "case.html")]) == 0
    assert "Layers, by wasserstein" in (tmp_path / "case.html").read_text()


@pytest.mark.usefixtures("toy")
def test_the_page_offers_it_and_tells_layers_by_another() -> None:
    at = page("One image")
    assert at.selectbox(key="detector").options == [
        "Unusual neurons, by distance",
        "Unusual neurons, by rarity",
        "Doubt",
    ]
    at.segmented_control(key="judge").set_value("digits").run()
    at.selectbox(key="detector").set_value("toy").run()
    assert not at.exception
    assert "One less the confidence." in texts(at)
    assert "this is by another: unusual neurons, by distance" in texts(at)


@pytest.mark.usefixtures("toy")
def test_triage_judges_by_it(digits_bundle: Bundle) -> None:
    at = page("Many images")
    at.segmented_control(key="triage_images").set_value("digits").run()
    assert "Doubt" in at.selectbox(key="detector").options
    at.selectbox(key="detector").set_value("toy").run()
    at.number_input(key="triage_n_digits").set_value(5).run()
    at.button(key="triage_start").click().run()
    ended(job_of(at, "triage"))
    at.run()
    assert not at.exception
    assert "judged by “doubt”" in texts(at)
    frame = next(each.value for each in at.dataframe if "rank" in each.value.columns)
    assert (frame["calibration images"] == 99).all()


def test_a_bundle_made_before_a_detector_stays_whole(
    digits_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bundles" / "digits-cnn"
    shutil.copytree(bundles_dir() / "digits-cnn", folder)
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    with np.load(folder / "calibration.npz") as file:
        older = {key: file[key] for key in file if not key.startswith("wasserstein/")}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **older)
    (folder / "calibration.npz").write_bytes(out.getvalue())
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["calibration.npz"] = hashlib.sha256(out.getvalue()).hexdigest()
    write_json(folder / "manifest.json", manifest)
    here = Detectors(load_bundle("digits-cnn"))
    assert list(here.entries) == ["surprisal"]
    assert here.open().name == "surprisal"
    with pytest.raises(BundleError, match=r"no calibration for 'wasserstein'; make one: .* build"):
        here.open("wasserstein")


@pytest.mark.spec("DD-1")
@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_forms_are_refused_with_their_reason(
    digits_bundle: Bundle, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WORDS, "--detector", name]) == 2
    told = capsys.readouterr().err
    assert DEGENERATE[name] in told
    assert "unknown" not in told


@dataclass
class _Means:
    means: NDArray[np.float64]
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]


class _Brightness(Detector[_Means]):
    """Sees what no detector here sees."""

    name, title, about = "brightness", "brightness", "mean of all values"

    def __init__(self, observed: Observed) -> None:
        self._observed = observed

    def see(self, pixels: NDArray[np.uint8]) -> _Means:
        """See `Detector.see`."""
        reading = self._observed.read(pixels)
        return _Means(pixels.mean((1, 2, 3)), reading.predicted, reading.confidence)

    def score(self, seen: _Means) -> NDArray[np.float64]:
        """See `Detector.score`."""
        return seen.means


def test_build_calibrates_a_detector_on_what_it_sees_itself(
    digits_cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ND_CACHE", str(digits_cache))
    entry = Entry("brightness", "brightness", "mean", _Brightness, calibrated_by="build")
    monkeypatch.setitem(DETECTORS, "brightness", entry)
    source = open_source("digits")
    build(BuildConfig("bright", "digits-cnn", gallery=0), source)
    try:
        bundle = load_bundle("bright")
        held = source.pixels(positions(source, bundle.splits["calibration"]))
        found = bundle.calibrations["brightness"].scores
        assert np.allclose(np.sort(found), np.sort(held.mean((1, 2, 3))))
        assert main([*WORDS[:3], "--bundle", "bright", "--detector", "brightness"]) == 0
        monkeypatch.setitem(DETECTORS, "brightness", replace(entry, calibrated_by=""))
        assert main([*WORDS, "--detector", "brightness"]) == 2
        assert "has neither a calibration nor a command" in capsys.readouterr().err
    finally:
        shutil.rmtree(bundle.folder)
