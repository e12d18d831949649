"""Case files: what they hold, that nothing leaks out of them, and the gate in a shell."""

from __future__ import annotations

import base64
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ndcore.analysis.case_file import Case, case_document, image_files
from ndcore.attacks import PixelChange
from ndcore.bundles.bundle import Bundle
from ndcore.certificate import Certificate, Hole
from ndcore.cli import main
from ndcore.data.catalog import open_source
from ndcore.detectors import load_detector
from ndcore.detectors.repair import repair
from ndcore.detectors.second_repair import SecondRepair
from ndcore.figures.detector.case.files import case_bytes
from ndcore.figures.detector.case.image import verdict_sentence
from ndcore.figures.detector.second_repair import second_words
from ndcore.networks.evaluator import evaluator_for

ROOT = Path(__file__).resolve().parents[2]
EVIL = "<script>alert(1)</script>\"'&\udcff.png"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture
def cases(digits_bundle: Bundle) -> list[Case]:
    """A benign image and one with a changed pixel, repaired."""
    benign = open_source("digits").pixels([5])[0]
    attacked = benign.copy()
    attacked[3, 2] = 255 - attacked[3, 2]
    pixels = np.stack([benign, attacked])
    verdicts = load_detector(digits_bundle).detect(pixels, 0.1)
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape)
    change = PixelChange(3, 2, tuple(benign[3, 2].tolist()), tuple(attacked[3, 2].tolist()))
    return [
        Case("benign", benign, verdicts[0]),
        Case(
            EVIL,
            attacked,
            verdicts[1],
            (change,),
            repair(evaluator, attacked[None]),
            certificate=Certificate(3, -0.5, (Hole(3, 2, 7), Hole(4, 4, 5))),
        ),
    ]


class Elements(HTMLParser):
    """Tags, addresses and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.spec("DD-10")
def test_the_document_holds_everything(digits_bundle: Bundle, cases: list[Case]) -> None:
    found = case_document(digits_bundle, "wasserstein", cases, command="the command", now=NOW)
    found = json.loads(case_bytes(found, "json"))
    about = found["provenance"]
    assert about["weight_hash"] == digits_bundle.weight_hash
    assert about["created"] == "2026-01-02T03:04:05+00:00"
    assert about["command"] == "the command"
    assert set(about["versions"]) == {"ndcore", "torch", "numpy", "python"}
    assert found["alpha"] == 0.1
    for row, case in zip(found["images"], cases, strict=True):
        with Image.open(io.BytesIO(base64.b64decode(row["png"]))) as image:
            assert np.array_equal(np.asarray(image), case.pixels[..., 0])
        assert row["verdict"]["p_value"] == case.verdict.p_value
        assert len(row["probabilities"]) == 5
        assert row["probabilities"][0]["class"] == row["verdict"]["predicted"]
        shares = [entry["probability"] for entry in row["probabilities"]]
        assert shares == sorted(shares, reverse=True)
    assert found["images"][0]["repair"] is None
    repairs = cases[1].repairs
    assert repairs is not None
    suspect = found["images"][1]["repair"]
    assert [suspect["row"], suspect["col"]] == repairs.suspect[0].tolist()
    assert np.array(suspect["lost"]).shape == (8, 8)
    assert found["images"][0]["certificate"] is None
    proof = found["images"][1]["certificate"]
    assert proof["holes"][0] == {"row": 3, "col": 2, "label": "7"}
    assert (proof["certified"], proof["labels"]) == (False, ["3", "5", "7"])
    assert found["difference"]["changed_pixels"] == 1
    assert found["difference"]["changes"][0]["row"] == 3
    alone = case_document(digits_bundle, "wasserstein", cases[:1], command="", now=NOW)
    assert alone["difference"] is None


@pytest.mark.spec("CE-6")
def test_a_second_repair_is_told(digits_bundle: Bundle, cases: list[Case]) -> None:
    second = SecondRepair(1, 2, 7, 0.25)
    case = replace(cases[1], by_repair=replace(cases[1].verdict, second=second))
    document = case_document(digits_bundle, "wasserstein", [case], command="", now=NOW)
    told = second.to_dict(digits_bundle.classes)
    assert document["images"][0]["repair"]["verdict"]["second"] == told
    label = document["images"][0]["verdict"]["predicted"]
    words = second_words(label, told)
    assert "row 1, column 2" in words
    assert "taken for 7: two pixels carry" in words
    assert "stays the prediction" in second_words("7", told)
    assert words in Elements(case_bytes(document, "html").decode()).text


@pytest.mark.spec("DD-10")
def test_the_page_stands_alone_and_trusts_no_name(digits_bundle: Bundle, cases: list[Case]) -> None:
    command = "detect '<b>'"
    document = case_document(digits_bundle, "wasserstein", cases, command=command, now=NOW)
    page = case_bytes(document, "html").decode()
    seen = Elements(page)
    assert not {"script", "link", "iframe", "object", "b>"} & set(seen.tags)
    assert not seen.handlers
    assert all(link.startswith("data:image/") for link in seen.links)
    assert "url(" not in page
    assert "default-src 'none'" in page
    assert "<script>alert(1)</script>" in seen.text
    assert "\\udcff" in seen.text
    assert command in seen.text
    assert "prefers-color-scheme: dark" in page
    told = seen.text
    assert told.count("Not proven: the repair of 2 pixels") == 1
    assert "took that one for 3 or 5 or 7" in told
    assert verdict_sentence(document["images"][1]["verdict"]) in told
    for words in (digits_bundle.weight_hash, "Suspect pixel", "1 pixel differs", "Provenance"):
        assert words in told
    for layer in digits_bundle.layers:
        assert layer in told
    # benign, attacked, suspect, heat map, holes, difference
    assert seen.tags.count("img") == 6
    same = [cases[0], replace(cases[0], name="again")]
    document = case_document(digits_bundle, "wasserstein", same, command="", now=NOW)
    assert "are the same, pixel by pixel" in case_bytes(document, "html").decode()


def test_sentences_promise_no_more_than_the_numbers(cases: list[Case]) -> None:
    classes = tuple("0123456789")
    verdict = replace(cases[0].verdict, p_value=0.02, flagged=True, guaranteed=True)
    assert verdict_sentence(verdict.to_dict(classes)).startswith("Flagged: at most 2.0% of benign")
    verdict = replace(verdict, p_value=0.3, flagged=False)
    assert "An attack may be missed" in verdict_sentence(verdict.to_dict(classes))
    verdict = replace(verdict, guaranteed=False)
    assert verdict_sentence(verdict.to_dict(classes)).startswith("Undecided")


def test_files_to_save_have_plain_and_different_names() -> None:
    names = ["samples:3", "a/b.png", "c/b.png", "../..", EVIL]
    found = image_files(names)
    assert found[:4] == ["samples-3.png", "b.png", "b-2.png", "image.png"]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"[A-Za-z0-9-]+\.png", name) for name in found)


def test_on_the_command_line(
    digits_bundle: Bundle, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["detect", "digits:5", "digits:6", "digits:7", "--bundle", "digits-cnn"]
    assert main([*words, "--case-file", str(tmp_path / "new" / "all.json")]) == 0
    found = json.loads((tmp_path / "new" / "all.json").read_text())
    assert [row["name"] for row in found["images"]] == ["digits:5", "digits:6", "digits:7"]
    assert all(row["repair"] for row in found["images"])
    assert found["provenance"]["command"].startswith("python -m ndcore detect digits:5 digits:6")
    page = tmp_path / "all.HTML"
    assert main([*words, "--no-repair", "--case-file", str(page)]) == 0
    assert "Probability lost" not in page.read_text()
    capsys.readouterr()
    (tmp_path / "file").write_text("")
    for bad, why in (
        ("case.txt", "a case file ends in .html or .json"),
        ("case", "a case file ends in .html or .json"),
        (str(tmp_path / "file" / "case.html"), "cannot write"),
        (str(page.parent / "folder.html"), "cannot write"),
    ):
        (page.parent / "folder.html").mkdir(exist_ok=True)
        assert main([*words, "--no-repair", "--case-file", bad]) == 2
        said = capsys.readouterr()
        assert why in said.err
        assert said.err.count("\n") == 1
        assert not said.out


GATE = """set -o pipefail
{python} -m ndcore detect digits:3 --bundle digits-cnn --alpha {alpha} --json - --fail-on-flag \
| {python} -c 'import json, sys; print(len(json.load(sys.stdin)["results"][0]["units"]))'
"""
IMPATIENT = """set -o pipefail
{python} -m ndcore detect digits:3 --bundle digits-cnn --alpha {alpha} --json - --fail-on-flag \
| true
"""


def shell(script: str, alpha: float, cache: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", script.format(python=sys.executable, alpha=alpha)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"ND_CACHE": str(cache)},
        check=False,
    )


def test_detect_is_a_gate_in_a_pipeline(digits_bundle: Bundle, digits_cache: Path) -> None:
    (verdict,) = load_detector(digits_bundle).detect(open_source("digits").pixels([3]), 0.1)
    p = verdict.p_value
    for alpha, status in ((p, 1), (0.9 * p, 0)):
        done = shell(GATE, alpha, digits_cache)
        assert (done.returncode, done.stderr) == (status, "")
        assert int(done.stdout) > 0
    # A reader that goes away early does not open the gate.
    assert shell(IMPATIENT, p, digits_cache).returncode == 1
