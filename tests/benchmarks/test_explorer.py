"""`bench explorer`: what it asks for, how rows are made, and one short run in a real browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from benchmarks.explorer import Update, action_rows, frame_rows, plotly_rows
from benchmarks.exploring.scene import Scene, choose_scene, walk
from benchmarks.report import limited
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.cli import main
from ndcore.data.pairs import Pair

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = ["bench", "explorer", "--bundle", "digits-cnn"]


@pytest.mark.usefixtures("digits_bundle")
class TestWithoutABrowser:
    def refused(self, capsys: pytest.CaptureFixture[str], *more: str) -> str:
        """The one line on stderr of a refusal."""
        assert main([*ARGUMENTS, *more, "--json", "-"]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        line = printed.err.strip()
        assert "\n" not in line
        return line

    def test_no_chromium(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("ND_CHROMIUM", "/nowhere/chromium")
        line = self.refused(capsys)
        assert "no Chromium at /nowhere/chromium" in line
        assert "apt-get install chromium" in line

    def test_no_playwright(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
        assert "pip install -r requirements-dev.txt" in self.refused(capsys)

    def test_no_repetition(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert "at least 1, got 0" in self.refused(capsys, "--n", "0")


def test_the_shipped_bundle_is_looked_at_as_in_the_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ND_CACHE", raising=False)
    bundle = load_bundle("cifar10-vgg16")
    scene = choose_scene(bundle)
    assert scene.layers == ("block5_conv3", "dense_1")
    assert [bundle.units(layer) for layer in scene.layers] == [512, 512]
    assert scene.classes == ("cat", "dog")
    assert Pair.from_token(scene.pair, bundle.shape).attacked is not None


def test_a_small_bundle_has_a_scene_too(digits_bundle: Bundle) -> None:
    scene = choose_scene(digits_bundle)
    assert scene.layers == ("block2_conv1", "dense_1")
    assert scene.classes == ("0", "1")
    assert scene.marks == "block2_conv1:0,8,16,24;dense_1:0,8,16,24"


def test_links_leave_out_what_is_not_there() -> None:
    scene = Scene("b", ("one", "two"), ("cat", "dog"), "", "one:1,2")
    assert parse_qs(scene.link()) == {
        "bundle": ["b"],
        "layers": ["one,two"],
        "classes": ["cat,dog"],
        "marks": ["one:1,2"],
    }
    assert parse_qs(scene.link(classes="cat", marks=""))["classes"] == ["cat"]
    assert "marks" not in scene.link(marks="")


@pytest.mark.parametrize("classes", [3, 10])
def test_a_walk_changes_one_class_at_a_time_and_repeats_no_pair(classes: int) -> None:
    names = [str(i) for i in range(classes)]
    shown, seen = {"0", "1"}, [{"0", "1"}]
    for new, old in walk(names, ("0", "1"), 20):
        assert new not in shown
        assert old in shown
        shown = shown - {old} | {new}
        seen.append(shown)
    different = {frozenset(pair) for pair in seen}
    assert len(different) == min(21, classes * (classes - 1) // 2)


def test_rows_against_a_limit() -> None:
    row = limited("answer", 0.25, "s", 0.5)
    assert row == {
        "what": "answer",
        "value": 0.25,
        "unit": "s",
        "against": "the limit of 0.5 s",
        "ratio": 0.5,
    }


def test_rows_of_an_action_are_medians() -> None:
    times = [{"frame": 30.0, "draw": 2.0}, {"frame": 90.0, "draw": 9.0}, {"frame": 20.0, "draw": 3}]
    frame, draw = action_rows("sorted", times)
    assert (frame["value"], frame["ratio"]) == (30, 0.3)
    assert (draw["value"], draw["ratio"]) == (3, 0.03)


def test_rows_of_frames() -> None:
    median, high, long = frame_rows("scrolled", [10.0] * 18 + [50.0, 51.0])
    assert median["value"] == 10
    assert high["value"] == pytest.approx(50.05)
    assert (long["value"], long["unit"]) == (5, "%")


def test_plotly_is_put_against_ours() -> None:
    theirs = Update(payload=[300.0, 310.0, 290.0], seconds=[0.9, 0.8, 1.0])
    ours = Update(payload=[150.0, 100.0], seconds=[0.3])
    payload, sort, click = plotly_rows(theirs, ours, sorting=[30.0])
    assert (payload["value"], payload["ratio"]) == (300, 300 / 125)
    assert sort["value"] == click["value"] == 0.9
    assert sort["ratio"] == pytest.approx(30)
    assert click["ratio"] == pytest.approx(3)


@pytest.mark.e2e
def test_a_short_run_in_a_real_browser() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ndcore", "bench", "explorer", "--n", "1", "--json", "-"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["name"] == "explorer"
    assert found["errors"] == []
    rows = {row["what"]: row for row in found["rows"]}
    measured = [row["value"] for row in rows.values() if row["unit"] in ("s", "ms", "kB")]
    assert len(measured) > 10
    assert all(value > 0 for value in measured)
    assert len(rows) == len(found["rows"])
    assert rows["15 layers x 10 classes: errors on the page"]["value"] == 0
    message = rows["512 + 512 units x 2 classes: the view's message"]["value"]
    assert message > 10
    assert rows["Plotly heat map: a new order"]["value"] > 100
