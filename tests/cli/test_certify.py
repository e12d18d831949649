from __future__ import annotations

import json
from pathlib import Path

import pytest

from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.bundles.certified import keep_certificates
from ndcore.bundles.extras import put_files
from ndcore.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> dict:
    assert main([*arguments, "--bundle", "digits-cnn", "--json", "-"]) == status
    return json.loads(capsys.readouterr().out)


@pytest.mark.spec("CE-1", "CE-2", "CE-3")
def test_images_of_a_source(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.jsonl"
    command = ["certify", "--source", "digits", "--n"]
    found = run(capsys, *command, "12", "--attack-holes", "--audit", "--resume", str(kept))
    rows, summary = found["results"], found["summary"]
    assert {"file", "predicted", "certified", "holes", "labels", "alarm", "margin"} <= set(rows[0])
    assert {"n", "certified", "certified_ci95", "alarms", "certified_accuracy"} <= set(summary)
    assert summary["n"] == 12 == len(rows)
    assert summary["certified"] == sum(row["certified"] for row in rows)
    for row in rows:
        assert row["certified"] == (not row["alarm"]) == (not row["holes"])
        assert row["certified"] == (row["labels"] == [row["predicted"]])
        assert {hole["label"] for hole in row["holes"]} | {row["predicted"]} == set(row["labels"])
        tried = row.get("hole_attacks", [])
        assert len(tried) in (0, len(row["holes"]))
    assert summary["audit"]["images"] == summary["certified"]
    assert summary["audit"]["changes"] == 64 * 255 * summary["certified"]
    assert summary["audit"]["unnoticed"] == 0
    lines = kept.read_text().split()
    first = run(capsys, *command, "5", "--resume", str(kept))
    assert kept.read_text().split() == lines  # nothing had to be made again
    plain = [{k: v for k, v in row.items() if k != "hole_attacks"} for row in rows]
    assert first["results"] == plain[:5]


@pytest.mark.spec("CE-5")
@pytest.mark.usefixtures("digits_bundle")
def test_what_was_found_stays_in_the_bundle(capsys: pytest.CaptureFixture[str], twin: Path) -> None:
    command = ["certify", "--source", "digits", "--bundle", "twin", "--ship", "--json", "-"]
    manifest = twin / "bundles" / "twin" / "manifest.json"
    before = json.loads(manifest.read_text())["files"]
    assert main([*command, "--n", "5"]) == 0
    assert main([*command, "--split", "gallery"]) == 0
    bundle = load_bundle("twin")
    assert set(bundle.manifest["files"]) == {*before, "certificates.json"}
    assert set(bundle.certificates) == {"evaluation", "gallery"}
    assert main([*command, "--n", "2", "--pixels", "2", "--block", "4"]) == 0
    two = load_bundle("twin").certificates["evaluation, two pixels"]
    assert two["summary"]["two_pixels"]["correct"]["certified"]["n"] <= 2
    bundle = load_bundle("twin")
    found, broken = bundle.certificates["evaluation"], bundle.certificates["gallery"]
    assert found["command"].endswith("--source digits --n 5 --seed 0 --ship")
    assert [row["key"] for row in broken["images"]] == [row.key for row in bundle.gallery]
    assert {row["key"] for row in found["images"]} <= set(bundle.splits["evaluation"])
    assert broken["summary"]["attacks"]["n"] == len(bundle.gallery)
    assert found["summary"]["certified"] == sum(row["certified"] for row in found["images"])
    # Of other weights they tell nothing.
    place = bundle.folder / "certificates.json"
    other = json.loads(place.read_text()) | {"weight_hash": "other"}
    keep_certificates(bundle, "gallery", broken)
    assert load_bundle("twin").certificates == bundle.certificates
    content = json.dumps(other).encode()
    put_files(bundle, {"certificates.json": content}, ["certificates.json"])
    assert load_bundle("twin").certificates == {}
    capsys.readouterr()
    for elsewhere in (["digits:3"], ["--split", "calibration"]):
        source = [] if elsewhere[0].startswith("digits") else ["--source", "digits"]
        assert main(["certify", *source, *elsewhere, "--bundle", "twin", "--ship"]) == 2
        assert "evaluation images or of --split gallery" in capsys.readouterr().err


@pytest.mark.spec("CE-5")
def test_stored_attacks_go_with_their_images(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle
) -> None:
    ids = [row.id for row in digits_bundle.gallery]
    found = run(capsys, "certify", *ids)
    attacks = found["summary"]["attacks"]
    assert attacks["n"] == len(ids) > 0
    assert attacks["violations"] == 0
    assert found["summary"]["breakable"]["certified"]["n"] == len(ids)
    # What is stored flips the label, so on a certified image it raises the alarm.
    assert attacks["on_certified"] == found["summary"]["certified"] <= attacks["caught"]


@pytest.mark.spec("CE-6")
def test_two_pixels(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle, tmp_path: Path
) -> None:
    kept = str(tmp_path / "kept.jsonl")
    command = ["certify", "digits:3", "digits:4", "--pixels", "2", "--resume", kept, "--block"]
    found = run(capsys, *command, "2")
    assert run(capsys, *command, "2") == found
    rows = [row["two_pixels"] for row in found["results"]]
    for row in rows:
        assert row["pairs"] == 16 * 17 // 2
        assert row["certified"] == (row["hole"] is None and row["asked"] == row["pairs"])
        # What every pair says, every block alone says too.
        assert row["recovered"]["agreed"] or not row["certified"]
    told = found["summary"]["two_pixels"]
    assert told["certified"] == sum(row["certified"] for row in rows)
    assert told["pairs_asked"] == sum(row["asked"] for row in rows)
    ids = [row.id for row in digits_bundle.gallery]
    back = run(capsys, "certify", *ids, "--pixels", "2", "--block", "2")["summary"]["two_pixels"]
    assert back["attacks"]["n"] == len(ids)
    assert back["attacks"]["violations"] == 0
    assert main([*command, "8", "--bundle", "digits-cnn"]) == 2
    assert "leave nothing" in capsys.readouterr().err


def test_in_words(capsys: pytest.CaptureFixture[str], digits_bundle: Bundle) -> None:
    assert main(["certify", "digits:3", "digits:4", "--bundle", "digits-cnn"]) == 0
    printed = capsys.readouterr()
    assert "2 images of 8 x 8 pixels, a float32 query for each: about" in printed.err
    lines = printed.out.splitlines()
    assert lines[0].startswith("digits:3: ")
    assert ". Proven: " in lines[0] or ". Not proven: " in lines[0]
    assert "certified accuracy" in printed.out
    assert "n = 2" in printed.out


def test_the_proven_rule_is_a_gate(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle
) -> None:
    images = [f"digits:{at}" for at in range(6)]
    found = run(capsys, "certify", *images, *(row.id for row in digits_bundle.gallery))
    for alarm in {row["alarm"] for row in found["results"]}:
        named = next(row["file"] for row in found["results"] if row["alarm"] == alarm)
        words = ["certify", named, "--bundle", "digits-cnn"]
        assert main([*words, "--fail-on-alarm"]) == int(alarm)
        assert main(words) == 0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["certify"], "at least one image"),
        (["certify", "--source", "digits", "--n", "0"], "at least 1"),
        (["certify", "digits:1", "--resume", "/proc/none/x"], "cannot write"),
        (["attack", "digits:1", "--fail-above", "130%"], "25% or 0.25"),
        (["attack", "digits:1", "--fail-above", "few"], "25% or 0.25"),
        (["attack", "digits:1", "--card", "c.json", "--engine", "pgd"], "changes all of them"),
        (["attack", "digits:1", "--card", "c.json", "--target", "3"], "no target"),
        (["attack", "digits:1", "--card", "/proc/none/x"], "cannot write"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.usefixtures("digits_bundle")
def test_bad_input(capsys: pytest.CaptureFixture[str], arguments: list[str], match: str) -> None:
    assert main([*arguments, "--bundle", "digits-cnn"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert match in printed.err.splitlines()[-1]
    assert printed.err.splitlines()[-1].startswith("ndcore: ")


def test_a_card_and_a_gate(
    capsys: pytest.CaptureFixture[str], digits_bundle: Bundle, tmp_path: Path
) -> None:
    card = tmp_path / "card.json"
    command = ["attack", "--source", "digits", "--n", "12"]
    found = run(capsys, *command, "--card", str(card), "--fail-above", "100%")
    told = json.loads(card.read_text())
    assert (told["kind"], told["weight_hash"]) == ("L0 card", digits_bundle.weight_hash)
    rows = told["rows"]
    assert [row["pixels"] for row in rows] == [1, 3, 5]
    for key in ("attacked", "succeeded", "success_rate", "ci95", "queries_median"):
        assert rows[0][key] == found["summary"][key]
    assert rows[0]["succeeded"] <= rows[1]["succeeded"] <= rows[2]["succeeded"]
    assert rows[0]["certified"]["n"] == rows[0]["attacked"] > 0
    assert rows[1]["certified"] is rows[2]["certified"] is None
    # An image that one pixel breaks is above any lower limit.
    broken = digits_bundle.gallery[0].id
    assert run(capsys, "attack", broken, "--fail-above", "0.99", status=1)["summary"]["succeeded"]
    assert main(["attack", broken, "--bundle", "digits-cnn", "--fail-above", "25%"]) == 1
    assert "above 25%" in capsys.readouterr().out
