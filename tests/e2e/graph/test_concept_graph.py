"""The Concept Graph in a real browser: pointing, clicking, keys, files and the link."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlparse
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import added
from tests.e2e.settled import settle

pytestmark = pytest.mark.e2e

VIEW = ".st-key-graph_canvas"
KEPT = ".st-key-graph_details"
SVG = "{http://www.w3.org/2000/svg}"
# Places of the largest unit of a middle column, as fractions of the canvas, and its key's number.
MIDDLE = """(canvas) => {
    const app = canvas.getRootNode().graphView ?? canvas.closest(".view").parentNode.graphView;
    const { units, columns } = app.scene;
    const column = Math.floor(columns.length / 2);
    const here = units.map((unit, at) => at).filter((at) => units[at].column === column);
    const at = here.sort((a, b) => units[b].size - units[a].size)[0];
    const { x, y } = app.place.placed[at];
    return { x, y, key: units[at].key };
}"""
PAINTED = "(canvas) => canvas.toDataURL()"


@pytest.fixture(scope="module")
def address(server: str, shown: Path, digits_cache: Path) -> Iterator[str]:
    """Address of the Concept Graph of the small network."""
    with added(shown, "bundles/digits-cnn", digits_cache / "bundles" / "digits-cnn"):
        yield f"{server}/Concept_Graph?bundle=digits-cnn&graph_class=3"


def opened(page: Page, address: str) -> Locator:
    page.goto(address)
    canvas = page.locator(f"{VIEW} .canvas")
    expect(canvas).to_have_attribute("aria-label", re.compile("Concept graph of 3"))
    settle(page)
    return canvas


def pin_of(page: Page) -> str:
    return parse_qs(urlparse(page.url).query).get("pin", [""])[0]


@pytest.mark.spec("SP-8", "CG-8")
def test_pointing_lights_paths_and_a_click_keeps_them(page: Page, address: str) -> None:
    canvas = opened(page, address)
    rest = canvas.evaluate(PAINTED)
    spot = canvas.evaluate(MIDDLE)
    canvas.hover(position={"x": spot["x"], "y": spot["y"]})
    tip = page.locator(f"{VIEW} .tip")
    layer, number = spot["key"].rsplit(":", 1)
    expect(tip).to_contain_text(f"{layer} · neuron {number}")
    assert canvas.evaluate(PAINTED) != rest
    page.mouse.move(2, 2)
    expect(tip).to_be_hidden()
    assert canvas.evaluate(PAINTED) == rest
    canvas.click(position={"x": spot["x"], "y": spot["y"]})
    expect(page.locator(KEPT).get_by_text(f"{layer} · neuron {number}")).to_be_visible()
    assert pin_of(page) == spot["key"]
    # The link shows the same to somebody else.
    other = page.context.new_page()
    other.goto(page.url)
    expect(other.locator(KEPT).get_by_text(f"{layer} · neuron {number}")).to_be_visible()
    other.close()
    canvas.click(position={"x": spot["x"], "y": spot["y"]})
    expect(page.locator(KEPT).get_by_text(f"{layer} · neuron {number}")).to_have_count(0)
    assert pin_of(page) == ""


def test_what_is_lit_at_the_very_rim_is_kept_by_a_click(page: Page, address: str) -> None:
    """A click tells whole pixels, so that it may fall beside what a pointer just touches."""
    canvas = opened(page, address)
    spot = canvas.evaluate(MIDDLE)
    tip = page.locator(f"{VIEW} .tip")
    box = canvas.bounding_box()
    assert box is not None
    left, middle = box["x"] + spot["x"], box["y"] + spot["y"]
    layer, number = str(spot["key"]).rsplit(":", 1)
    # From above to the first part of a pixel at which the unit is lit.
    lit = (middle - step / 10 for step in range(240, 0, -1))
    for top in lit:
        page.mouse.move(left, top)
        if tip.is_visible() and tip.locator("b").inner_text() == f"{layer} · neuron {number}":
            break
    page.mouse.down()
    page.mouse.up()
    page.wait_for_function("new URLSearchParams(location.search).has('pin')")
    assert pin_of(page) == spot["key"]


@pytest.mark.spec("UX-4")
def test_units_are_reached_and_kept_by_keyboard(page: Page, address: str) -> None:
    canvas = opened(page, address)
    canvas.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    spoken = page.locator(f"{VIEW} .spoken")
    expect(spoken).to_contain_text("influence")
    page.keyboard.press("Enter")
    expect(page.locator(KEPT).get_by_text(re.compile("· neuron ")).first).to_be_visible()
    assert pin_of(page)
    page.keyboard.press("Escape")
    expect(page.locator(KEPT).get_by_text(re.compile("· neuron "))).to_have_count(0)


def test_the_picture_is_saved_with_its_legend(page: Page, address: str) -> None:
    opened(page, address)
    with page.expect_download() as found:
        page.locator(f"{VIEW} [data-save=svg]").click()
    root = ElementTree.fromstring(Path(found.value.path()).read_text())
    words = " ".join(text.text or "" for text in root.iter(f"{SVG}text"))
    assert "Concept graph of 3" in words
    assert "raises its target" in words
    assert len(list(root.iter(f"{SVG}image"))) > 5
    with page.expect_download() as found:
        page.locator(f"{VIEW} [data-save=png]").click()
    assert Path(found.value.path()).read_bytes().startswith(b"\x89PNG")


def test_nothing_is_cut_at_any_width(page: Page, address: str) -> None:
    opened(page, address)
    for width in (2200, 1400, 800, 400):
        page.set_viewport_size({"width": width, "height": 1000})
        settle(page)
        assert page.evaluate(
            "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
        ends = page.locator(f"{VIEW} .legend .item").evaluate_all(
            "items => items.map((item) => item.getBoundingClientRect().right)"
        )
        assert len(ends) >= 3
        assert max(ends) <= width, "words of the legend take another line"
        box = page.locator(f"{VIEW} .canvas").bounding_box()
        assert box is not None
        assert box["y"] + box["height"] / 2 < 1000
