"""A thousand classes, two hundred layers: the picture is in view when the Explorer opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.conftest import Serve
from tests.e2e.settled import settle
from tests.e2e.test_first_look import HEIGHT, LEAST_IN_VIEW, WIDTH, in_view
from tests.own.large import build_untouched, built, noise

pytestmark = pytest.mark.e2e

MOST_HIGH = 3000  # CSS pixels of the page


@pytest.mark.spec("OM-8")
def test_the_neurons_are_in_view(
    page: Page, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    built("thousand", noise(1000, 1000))
    built("deep", noise(3, 3))
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    with serve(ND_CACHE=str(tmp_path)) as address:
        for name in ("thousand", "deep"):
            page.goto(f"{address}/Activation_Explorer?bundle={name}")
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
    page: Page, serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    build_untouched(tmp_path, 96)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    pictures = {
        "": 'img[alt^="class 500"]',
        "Attack_Lab": '.st-key-lab_result img[alt^="Benign"]',
        "Divergence_Detector": 'img[alt^="benign"]',
    }
    with serve(ND_CACHE=str(tmp_path)) as address:
        for path, picture in pictures.items():
            page.goto(f"{address}/{path}")
            found = page.locator(picture).first
            expect(found).to_be_visible()
            settle(page)
            share, _ = in_view(found)
            assert share >= LEAST_IN_VIEW, f"{path}: {share:.0%} of the picture is in view"
