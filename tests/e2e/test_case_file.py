"""A case file from the Detector page, opened alone in a browser without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from ndcore.bundles.bundle import load_bundle
from ndcore.study.calibrated import Detectors
from tests.e2e.settled import settle

pytestmark = pytest.mark.e2e


def known_attack() -> str:
    """A link to a sample image with a verified attack on it."""
    row = next(row for row in load_bundle("cifar10-vgg16").gallery if row.id.startswith("samples:"))
    return row.look_up().token()


def opens_alone(browser: Browser, file: Path, scheme: str) -> None:
    """Without network and script: all pictures drawn, nothing asked for, nothing too wide."""
    alone = browser.new_context(
        viewport={"width": 800, "height": 900},
        color_scheme=scheme,
        offline=True,
        java_script_enabled=False,
    )
    shown = alone.new_page()
    asked: list[str] = []
    said: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.on("console", lambda message: said.append(message.text))
    shown.goto(file.as_uri())
    expect(shown.get_by_role("heading", name="Provenance")).to_be_visible()
    pictures = shown.locator("img")
    expect(pictures).to_have_count(8)  # three of each image, the difference and the holes
    for index in range(8):
        box = pictures.nth(index).bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 150
    assert [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    assert not said
    widest = max(
        box["x"] + box["width"]
        for part in shown.locator("section > *, table, dl, pre").all()
        if (box := part.bounding_box())
    )
    assert widest <= 800
    with shown.expect_download() as waiting:
        shown.get_by_role("link", name="attacked.png").click()
    assert waiting.value.suggested_filename == "attacked.png"
    alone.close()


@pytest.mark.spec("DD-10", "UX-4")
def test_a_case_file_opens_by_itself(
    page: Page, browser: Browser, server: str, tmp_path: Path
) -> None:
    page.goto(f"{server}/Divergence_Detector?detector=wasserstein&pair={known_attack()}")
    page.locator(".st-key-suspect button").click()
    told = page.get_by_text("without the pixel at row")
    expect(told).to_have_count(2, timeout=120_000)
    proven = page.locator(".stMarkdownBadge").get_by_text(re.compile("^(Not proven|Proven)$"))
    expect(proven).to_have_count(2, timeout=120_000)  # the case file has what was made by now
    settle(page)
    with page.expect_download() as waiting:
        page.locator(".st-key-case_html button").click()
    file = tmp_path / "case.html"
    waiting.value.save_as(file)
    with page.expect_download() as waiting:
        page.locator(".st-key-case_json button").click()
    document = json.loads(Path(waiting.value.path()).read_text())
    assert [row["name"] for row in document["images"]] == ["benign", "attacked"]
    assert all(row["repair"] for row in document["images"])
    for scheme in ("light", "dark"):
        opens_alone(browser, file, scheme)


@pytest.mark.spec("DD-10")
def test_a_case_file_names_the_detector_that_judged(page: Page, server: str) -> None:
    page.goto(f"{server}/Divergence_Detector?pair={known_attack()}")
    expect(page.get_by_text("Yes: the attack is noticed.")).to_be_visible(timeout=120_000)
    made = {}
    for kind in ("json", "html"):
        with page.expect_download() as waiting:
            page.locator(f".st-key-case_{kind} button").click()
        made[kind] = Path(waiting.value.path()).read_text()
    document = json.loads(made["json"])
    frozen = Detectors(load_bundle("cifar10-vgg16")).usual
    assert document["provenance"]["detector"] == frozen
    assert f"--detector {frozen}" in document["provenance"]["command"]
    for image in document["images"]:
        assert image["by_layers"]["detector"] == "wasserstein"
        assert image["verdict"] == image["repair"]["verdict"]
    assert f"Judged by the detector {frozen} of" in made["html"]


def test_the_causal_test_in_the_browser(page: Page, server: str) -> None:
    page.goto(f"{server}/Divergence_Detector?pair={known_attack()}")
    page.locator(".st-key-clamp button").click(timeout=120_000)
    expect(page.get_by_text("The price on")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("A whole layer at a time")).to_be_visible()
    expect(page.locator(".st-key-clamp_course .js-plotly-plot")).to_be_visible()
