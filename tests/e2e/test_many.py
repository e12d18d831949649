"""A thousand classes, two hundred layers: the picture is in view when the Explorer opens."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.settled import settle
from tests.e2e.test_first_look import HEIGHT, LEAST_IN_VIEW, WIDTH, in_view
from tests.own.large import build_untouched, built, noise

pytestmark = pytest.mark.e2e

MOST_HIGH = 3000  # CSS pixels of the page


@pytest.fixture
def bundles(shown: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where the server finds bundles; what a test builds there is gone afterwards."""
    monkeypatch.setenv("ND_CACHE", str(shown))
    folder = shown / "bundles"
    before = set(folder.iterdir())
    yield folder
    for made in set(folder.iterdir()) - before:
        shutil.rmtree(made) if made.is_dir() else made.unlink()  # a lock is a file


@pytest.mark.spec("OM-8")
def test_the_neurons_are_in_view(page: Page, server: str, bundles: Path) -> None:
    built("thousand", noise(1000, 1000))
    built("deep", noise(3, 3))
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    for name in ("thousand", "deep"):
        page.goto(f"{server}/Activation_Explorer?bundle={name}")
        picture = page.locator(".st-key-activation_canvas .rows canvas").first
        expect(picture).to_be_visible()
        settle(page)
        share, _ = in_view(picture)
        assert share >= LEAST_IN_VIEW, f"{name}: {share:.0%} of the picture is in view"
        high = page.locator('[data-testid="stMainBlockContainer"]').bounding_box()
        assert high is not None
        assert high["height"] <= MOST_HIGH
    page.locator(".st-key-pills_layers input").click()
    page.keyboard.type("stage2_block17")
    page.get_by_role("option", name="stage2_block17_residual").click()
    expect(page.locator(".st-key-activation_canvas h2")).to_have_count(3)
    settle(page)


@pytest.mark.spec("OM-8")
def test_a_picture_of_a_bundle_without_attacks_is_in_view(
    page: Page, server: str, bundles: Path, tmp_path: Path
) -> None:
    build_untouched(tmp_path, 96)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    pictures = {
        "": 'img[alt^="class 500"]',
        "Attack_Lab": '.st-key-lab_result img[alt^="Benign"]',
        "Divergence_Detector": 'img[alt^="benign"]',
    }
    for path, picture in pictures.items():
        page.goto(f"{server}/{path}?bundle=mine")
        found = page.locator(picture).first
        expect(found).to_be_visible()
        settle(page)
        share, _ = in_view(found)
        assert share >= LEAST_IN_VIEW, f"{path}: {share:.0%} of the picture is in view"
