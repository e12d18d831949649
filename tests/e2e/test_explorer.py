"""The Activation Explorer in a real browser: what happens there without the server, and links."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlparse
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, WebSocket, expect

from ndcore.bundles.bundle import load_bundle
from pages.ui.frame.page_list import PAGES
from tests.e2e.settled import cut_at, settle

pytestmark = pytest.mark.e2e

VIEW = ".st-key-activation_canvas"
PAIR = "samples:0~10.21.223300"
LINK = f"/Activation_Explorer?layers=dense_1,dense_2&classes=cat,dog&pair={PAIR}"
MOST_BYTES = 1400 + 150 * len(PAGES)  # the sidebar's links travel with every answer
SVG = "{http://www.w3.org/2000/svg}"
# One task of the browser: nothing from the server can arrive before it returns.
AT_ONCE = """(canvas, [selector, value]) => {
    const view = canvas.closest(".view");
    const before = canvas.toDataURL();
    const control = view.querySelector(selector);
    if (value === null) {
        control.click();
    } else {
        control.value = value;
        control.dispatchEvent(new Event("change"));
    }
    return canvas.toDataURL() !== before;
}"""
COLOURS = """(canvas) => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    const found = new Set();
    for (let at = 0; at < data.length; at += 4) {
        if (data[at + 3] > 250) found.add(`${data[at]},${data[at + 1]},${data[at + 2]}`);
    }
    return [...found];
}"""


def opened(page: Page, server: str, more: str = "") -> Locator:
    """The first layer's canvas."""
    page.goto(f"{server}{LINK}{more}")
    canvas = page.locator(f"{VIEW} .rows canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile("distributions of cat and dog"))
    settle(page)
    return canvas


def link_of(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlparse(page.url).query).items()}


CHANGES = (
    ("select.sort", "attacked"),
    ("select.sort", "class:dog"),
    ("select.sort", "divergence:attacked:dog"),
    ("select.sort", "separation:cat:dog"),
    ("select.sort", "zeros:cat"),
    ("select.contrast", "neuron"),
    (".order", None),
    (".taller", None),
    (".legend .item", None),
    (".legend .item:nth-of-type(4)", None),
)


@pytest.mark.spec("ND-23")
def test_sorting_hiding_and_recolouring_need_no_server(page: Page, server: str) -> None:
    canvas = opened(page, server)
    for selector, value in CHANGES:
        assert canvas.evaluate(AT_ONCE, [selector, value]), (selector, value)
    settle(page)


@pytest.mark.spec("ND-11")
def test_marks_survive_sorting_classes_and_images(page: Page, server: str) -> None:
    opened(page, server)
    rows = page.locator(f"{VIEW} .rows").first
    rows.focus()
    for key in ("Home", "ArrowDown", "Enter", "End", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile("marks="))
    settle(page)
    marks = link_of(page)["marks"]
    assert marks == "dense_1:1,511"
    page.locator(f"{VIEW} select.sort").select_option("benign")
    settle(page)
    page.locator(".st-key-pills_classes button").filter(has_text="ship").click()
    settle(page)
    assert link_of(page)["marks"] == marks
    page.locator(f"{VIEW} [data-show=marked]").click()
    expect(page.locator(f"{VIEW} h2").first).to_contain_text("2 of 512 neurons")
    page.locator(f"{VIEW} [data-show=unmarked]").click()
    expect(page.locator(f"{VIEW} h2").first).to_contain_text("510 of 512 neurons")


def test_the_numbers_of_a_row_are_the_bundles(page: Page, server: str) -> None:
    opened(page, server)
    bundle = load_bundle("cifar10-vgg16")
    found = bundle.distributions("dense_1", "value")
    medians = found.medians()[:, 1]
    page.locator(f"{VIEW} .rows").first.focus()
    for key in ("Home", "ArrowDown"):
        page.keyboard.press(key)
    spoken = page.locator(f"{VIEW} .spoken")
    for label, name in ((3, "cat"), (5, "dog")):
        words = f"{name}, n {found.n[label]:,}, = 0 "
        expect(spoken).to_contain_text(words)
        expect(spoken).to_contain_text(f"median {medians[label]:.3f}")
    page.locator(f"{VIEW} .rows").first.hover(position={"x": 250, "y": 1})
    tip = page.locator(f"{VIEW} .tip")
    expect(tip).to_contain_text("dense_1 · neuron")
    for words in ("median", "5%", "95%", "above", "of dog", "click: mark"):
        expect(tip).to_contain_text(words)


@pytest.mark.spec("ND-4")
def test_what_is_on_show_is_coloured_and_what_is_hidden_is_grey(page: Page, server: str) -> None:
    canvas = opened(page, server)
    item = page.locator(f"{VIEW} .legend .item").filter(has_text="attacked")
    assert "229,32,43" in canvas.evaluate(COLOURS)
    item.click()
    expect(item).to_have_attribute("aria-pressed", "false")
    assert "grayscale" in item.evaluate("element => getComputedStyle(element).filter")
    assert "229,32,43" not in canvas.evaluate(COLOURS)
    settle(page)
    assert link_of(page)["hidden"] == "attacked"
    on = page.locator(".st-key-pills_classes button[aria-pressed=true]").first
    off = page.locator(".st-key-pills_classes button[aria-pressed=false]").first
    background = "element => getComputedStyle(element).backgroundColor"
    assert on.evaluate(background) != off.evaluate(background)
    words = "element => getComputedStyle(element.querySelector('p') ?? element).color"
    for kind in ("classes", "layers"):
        pill = page.locator(f".st-key-pills_{kind} button[aria-pressed=false]").first
        assert "0.6" in pill.evaluate(words), kind


@pytest.mark.spec("ND-4", "ND-6")
def test_a_click_on_a_thumbnail_switches_its_image(page: Page, server: str) -> None:
    opened(page, server)
    picture = page.locator(".st-key-cell_attacked img[alt^=taken]")
    look = "element => getComputedStyle(element).filter"
    shown = page.locator(f"{VIEW} .legend .item").filter(has_text="attacked")
    for on in (False, True):
        box = picture.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(shown).to_have_count(int(on))
        settle(page)
        assert (link_of(page).get("off") == "attacked") is not on
        assert ("grayscale" in picture.evaluate(look)) is not on


@pytest.mark.spec("UX-2")
def test_the_whole_state_is_in_the_link(page: Page, server: str) -> None:
    more = "&sort=class:dog&minus=attacked&order=low&rows=4&opacity=neuron&hidden=benign"
    more += "&marks=dense_1:3,7&reduction=mean"
    canvas = opened(page, server, more)
    first = canvas.evaluate("element => element.toDataURL()")
    assert page.locator(f"{VIEW} select.sort").input_value() == "class:dog"
    assert page.locator(f"{VIEW} select.minus").input_value() == "attacked"
    assert page.locator(f"{VIEW} select.contrast").input_value() == "neuron"
    assert "low first" in (page.locator(f"{VIEW} .order").text_content() or "")
    held = parse_qs(urlparse(page.url).query)
    assert {name: held.get(name) for name in parse_qs(more)} == parse_qs(more)
    copied = page.url
    page.goto("about:blank")
    page.goto(copied)
    canvas = page.locator(f"{VIEW} .rows canvas").first
    expect(canvas).to_have_attribute("aria-label", re.compile("distributions of cat and dog"))
    settle(page)
    assert canvas.evaluate("element => element.toDataURL()") == first


@pytest.mark.parametrize("bad", ["&sort=%3Cscript%3E&minus=%00", "&rows=9e9&opacity=x&show=1"])
def test_a_damaged_link_shows_the_usual_view(page: Page, server: str, bad: str) -> None:
    opened(page, server, bad)
    assert page.locator(f"{VIEW} select.sort").input_value() == "index"
    expect(page.locator(f"{VIEW} h2").first).to_contain_text("512 of 512 neurons")


@pytest.mark.spec("ND-7", "ND-10")
def test_all_layers_and_all_classes_at_once(page: Page, server: str) -> None:
    bundle = load_bundle("cifar10-vgg16")
    classes = ",".join(bundle.classes)
    layers = ",".join(bundle.layers)
    page.goto(f"{server}/Activation_Explorer?layers={layers}&classes={classes}&pair={PAIR}")
    titles = page.locator(f"{VIEW} h2")
    expect(titles).to_have_count(15)
    settle(page)
    shown = [re.search(r"(\d+) of (\d+) neurons", text) for text in titles.all_text_contents()]
    neurons = [int(match[2]) for match in shown if match]
    assert sum(neurons) == 4746
    assert canvas_is_painted(page.locator(f"{VIEW} .rows canvas").last)
    expect(page.locator(f"{VIEW} select.sort optgroup")).to_have_count(5)


def canvas_is_painted(canvas: Locator) -> bool:
    return len(canvas.evaluate(COLOURS)) > 5


def saved(page: Page, kind: str, folder: Path) -> Path:
    if page.locator(f"{VIEW} .more[open]").count() == 0:
        page.locator(f"{VIEW} .more summary").click()
    with page.expect_download() as waiting:
        page.locator(f"{VIEW} [data-save={kind}]").click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


@pytest.mark.spec("ND-7")
def test_the_picture_is_saved_as_it_is_shown(page: Page, server: str, tmp_path: Path) -> None:
    opened(page, server, "&marks=dense_1:3,7")
    png = np.asarray(Image.open(saved(page, "png", tmp_path)).convert("RGB"))
    box = page.locator(f"{VIEW} .panels").bounding_box()
    assert box is not None
    assert png.shape[1] == pytest.approx(2 * box["width"], abs=4)
    assert (png == np.array([229, 32, 43])).all(-1).sum() > 100, "the attacked image's marks"
    root = ElementTree.parse(saved(page, "svg", tmp_path)).getroot()
    words = {element.text for element in root.iter(f"{SVG}text")}
    assert {"dense_1, 512 of 512 neurons", "dense_2, 10 of 10 neurons", "activation"} <= words
    assert {"3", "7", "cat"} <= words
    assert len(list(root.iter(f"{SVG}image"))) >= 3, "opacity bars and zeros"
    marks = [e for e in root.iter(f"{SVG}path") if e.get("fill") == "#e5202b"]
    assert len(marks) > 500


class Sockets:
    """Bytes that went there and came back since they were last taken."""

    def __init__(self, page: Page) -> None:
        self._there, self._back = 0, 0
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", self._sent)
        socket.on("framereceived", self._came)

    def _sent(self, payload: str | bytes) -> None:
        self._there += len(payload)

    def _came(self, payload: str | bytes) -> None:
        self._back += len(payload)

    def take(self) -> tuple[int, int]:
        taken = self._there, self._back
        self._there = self._back = 0
        return taken


def point_at(page: Page, rows: Locator, y: float) -> str:
    """Move the pointer onto a row; the number of the neuron that the tip names."""
    box = rows.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 300, box["y"] + y)
    told = re.search(r"neuron (\d+)", page.locator(f"{VIEW} .tip b").text_content() or "")
    assert told is not None
    return told[1]


def test_a_mark_and_an_order_travel_alone(page: Page, server: str) -> None:
    """Some 2 kB each way, and what is clicked is what the tip named, at any height."""
    sockets = Sockets(page)
    opened(page, server)
    assert sockets.take()[1] <= 170_000
    rows = page.locator(f"{VIEW} .rows").first
    rows.scroll_into_view_if_needed()
    settle(page)
    sockets.take()
    marked: list[str] = []
    for y in (120, 200.3, 281.5, 333.9):
        marked.append(point_at(page, rows, y))
        page.mouse.down()
        page.mouse.up()
        expect(page).to_have_url(re.compile(rf"marks=[^&]*(%3A|%2C){marked[-1]}(&|$)"))
        settle(page)
        assert link_of(page)["marks"] == f"dense_1:{','.join(marked)}"
        there, back = sockets.take()
        assert 0 < there <= MOST_BYTES
        assert 0 < back <= MOST_BYTES
    page.locator(f"{VIEW} select.sort").select_option("benign")
    expect(page).to_have_url(re.compile("sort=benign"))
    settle(page)
    there, back = sockets.take()
    assert 0 < there <= MOST_BYTES
    assert 0 < back <= MOST_BYTES


def test_what_was_done_in_the_browser_outlives_the_picture(page: Page, server: str) -> None:
    opened(page, server)
    page.locator(f"{VIEW} select.sort").select_option("benign")
    page.locator(f"{VIEW} .rows").first.focus()
    for key in ("Home", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile("marks="))
    settle(page)
    marks = link_of(page)["marks"]
    page.get_by_role("link", name="Divergence Detector").first.click()
    expect(page.get_by_role("heading", name="Divergence Detector")).to_be_visible()
    settle(page)
    page.get_by_role("link", name="Activation Explorer").first.click()
    expect(page.locator(f"{VIEW} select.sort")).to_have_value("benign")
    settle(page)
    expect(page.locator(f"{VIEW} .clear")).to_be_enabled()
    assert link_of(page)["marks"] == marks


def test_an_open_table_follows_the_marks(page: Page, server: str) -> None:
    opened(page, server, "&numbers_open=1&table_marked=1")
    table = page.get_by_test_id("stDataFrame").first
    expect(table).to_be_visible()
    before = table.screenshot()
    page.locator(f"{VIEW} .rows").first.focus()
    for key in ("Home", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile("marks="))
    settle(page)
    assert table.screenshot() != before


FOCUSED = "() => document.activeElement?.shadowRoot?.activeElement?.className ?? ''"


def test_the_neurons_are_reached_moved_over_and_marked_by_keyboard(page: Page, server: str) -> None:
    opened(page, server)
    page.locator(".st-key-story_3 button").focus()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate(FOCUSED) == "rows"
    rows = page.locator(f"{VIEW} .rows").first
    outline = rows.evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid", "the focus can be seen"
    expect(rows).to_have_role("application")
    expect(rows).to_have_accessible_name(re.compile("^Neurons of dense_1: arrow keys move, Enter"))
    spoken = page.locator(f"{VIEW} .spoken")
    expect(spoken).to_contain_text("neuron 0; cat")
    canvas = rows.locator("canvas")
    before = canvas.evaluate("element => element.toDataURL()")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(spoken).to_contain_text("neuron 2; cat")
    assert canvas.evaluate("element => element.toDataURL()") != before, "the row can be seen"
    page.keyboard.press("Enter")
    expect(spoken).to_contain_text("neuron 2; marked; cat")
    expect(page).to_have_url(re.compile("marks="))
    settle(page)
    assert link_of(page)["marks"] == "dense_1:2"
    assert page.evaluate(FOCUSED) == "rows", "the answer leaves the focus where it is"
    page.keyboard.press("Enter")
    expect(spoken).to_contain_text("neuron 2; cat")
    name = ""
    while page.evaluate(FOCUSED) == "rows":
        name = page.evaluate("() => document.activeElement.shadowRoot.activeElement.ariaLabel")
        page.keyboard.press("Tab")
    assert name.startswith("Neurons of dense_2")
    page.locator(f"{VIEW} .more summary").click()
    for control in page.locator(f"{VIEW} button, {VIEW} select, {VIEW} summary").all():
        expect(control).to_have_accessible_name(re.compile(r"\w"))


IN_VIEW = """(rows) => {
    const box = rows.getBoundingClientRect();
    return Math.min(box.bottom, innerHeight) - Math.max(box.top, 0);
}"""
# What reaches beyond the page's width, in the view too; what scrolls by itself may.
CUT = """() => {
    const main = document.querySelector('[data-testid="stMain"]');
    const view = document.querySelector('.st-key-activation_canvas [data-testid^="stBidi"]');
    const parts = [...main.querySelectorAll("button, img, h1, p, label")];
    const inner = [...view.shadowRoot.querySelectorAll("button, select, summary, canvas, h2")];
    const right = main.getBoundingClientRect().left + main.clientWidth + 1;
    return [...parts, ...inner].filter((element) => {
        const box = element.getBoundingClientRect();
        return element.checkVisibility() && box.width > 1 && (box.right > right || box.left < 0);
    }).map((element) => element.outerHTML.slice(0, 120));
}"""


def test_the_neurons_are_in_view_after_every_action(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    page.goto(f"{server}/Activation_Explorer")
    rows = page.locator(f"{VIEW} .rows").first
    expect(rows).to_be_visible()
    settle(page)
    assert rows.evaluate(IN_VIEW) > 400
    for number in (1, 2, 3):
        page.locator(f".st-key-story_{number} button").click()
        settle(page)
        assert rows.evaluate(IN_VIEW) > 300, number
    page.locator(f"{VIEW} select.sort").select_option("benign")
    rows.click(position={"x": 200, "y": 100})
    page.locator(".st-key-pills_classes button").filter(has_text="ship").click()
    settle(page)
    assert rows.evaluate(IN_VIEW) > 300
    page.locator(".st-key-all_layers button").click()
    settle(page)
    assert rows.evaluate(IN_VIEW) > 100


def test_nothing_is_cut_at_any_width(page: Page, server: str) -> None:
    opened(page, server)
    page.locator(f"{VIEW} .more summary").click()
    panels = page.locator(f"{VIEW} .panel")
    for width in (2200, 1400, 933, 800, 400):
        assert cut_at(page, width, CUT) == [], width
        wide = [panels.nth(at).evaluate("panel => panel.clientWidth") for at in range(2)]
        assert min(wide) >= (600 if width == 2200 else 280)
