"""Home in a browser: what it is, the story's start and the pages' pictures without scrolling."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from ndcore.bundles.bundle import load_bundle
from ndcore.bundles.manifest import GRAPH_FILE
from pages.ui.frame.page_list import PAGES
from tests.e2e.settled import cut_at, settle

pytestmark = pytest.mark.e2e

CARDS = ".st-key-cards img"
# A bundle whose concept graphs were not made has no picture of them.
PICTURES = len(PAGES) - (GRAPH_FILE not in load_bundle("cifar10-vgg16").manifest["files"])


def seen(page: Page, server: str, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(server)
    expect(page.locator(CARDS)).to_have_count(PICTURES)
    settle(page)


@pytest.mark.spec("UX-1")
def test_the_first_screen_has_the_story_and_all_pictures(page: Page, server: str) -> None:
    seen(page, server, 1400, 900)
    expect(page.get_by_role("heading", level=1)).to_be_in_viewport()
    expect(page.get_by_role("button", name="Start the guided story")).to_be_in_viewport(ratio=1)
    for number in range(PICTURES):
        expect(page.locator(CARDS).nth(number)).to_be_in_viewport(ratio=1)
    for name in [page.name for page in PAGES]:
        link = page.locator(".st-key-cards").get_by_role("link", name=name)
        expect(link).to_be_in_viewport(ratio=1)


CUT = """() => [...document.querySelectorAll("[data-testid=stMain] *")].filter(element =>
    element.getBoundingClientRect().right > document.documentElement.clientWidth + 1
).map(element => element.outerHTML.slice(0, 120))"""


def test_nothing_is_cut_at_any_width(page: Page, server: str) -> None:
    seen(page, server, 1400, 900)
    for width, lines in ((2200, 1), (800, 3), (400, 6)):
        assert cut_at(page, width, CUT) == [], width
        boxes = [picture.bounding_box() for picture in page.locator(CARDS).all()]
        rows = {round(box["y"] / 20) for box in boxes if box}
        assert len(rows) == lines
