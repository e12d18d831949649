"""A page opened first, by its address, shows its main picture without a scroll."""

from __future__ import annotations

import io

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

from tests.e2e.settled import settle

pytestmark = pytest.mark.e2e

WIDTH, HEIGHT = 1400, 900
OPENED_MS = 300_000  # a verdict may have to be found on a busy machine
LEAST_IN_VIEW = 2 / 3
LEAST_COLOURS = 30  # an empty box with a word in it has fewer
LEAST_SIDE = 100  # CSS pixels: no icon
# Page -> its main picture.
PICTURES = {
    "": 'img[alt^="dog"]',
    "Attack_Lab": ".st-key-lab_result img[alt]",
    "Activation_Explorer": ".st-key-activation_canvas .rows canvas",
    "Divergence_Detector": 'img[alt^="attacked"]',
    "Training_Evolution": ".js-plotly-plot .heatmaplayer",
}


def in_view(picture: Locator) -> tuple[float, dict[str, float]]:
    """Share of the picture that is on the screen, and that part as a clip."""
    box = picture.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= LEAST_SIDE, box
    left, top = max(box["x"], 0), max(box["y"], 0)
    width = max(min(box["x"] + box["width"], WIDTH) - left, 0)
    height = max(min(box["y"] + box["height"], HEIGHT) - top, 0)
    clip = {"x": left, "y": top, "width": width, "height": height}
    return width * height / (box["width"] * box["height"]), clip


@pytest.mark.spec("UX-1")
@pytest.mark.parametrize("path", PICTURES)
def test_a_page_opened_first_shows_its_picture_in_view(page: Page, server: str, path: str) -> None:
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
    page.goto(f"{server}/{path}")
    picture = page.locator(PICTURES[path]).first
    expect(picture).to_be_visible(timeout=OPENED_MS)
    settle(page)
    share, clip = in_view(picture)
    assert share >= LEAST_IN_VIEW, f"{share:.0%} of the picture is in view"
    shown = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")  # type: ignore[arg-type]
    colours = shown.getcolors(maxcolors=shown.width * shown.height)
    assert colours is not None
    assert len(colours) >= LEAST_COLOURS, "the picture is empty"
