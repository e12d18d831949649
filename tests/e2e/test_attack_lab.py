"""The Attack Lab with real clicks: run a batch, stop it, open a result, drive a pixel by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, Position, expect

from tests.e2e.settled import press_until, settle, stop

pytestmark = pytest.mark.e2e

ATTACK_MS = 180_000
SCHEMES: tuple[Literal["light"], Literal["dark"]] = ("light", "dark")
READING = 'table[aria-label="Class probabilities"]'


def open_lab(page: Page, server: str, link: str) -> None:
    page.goto(f"{server}/Attack_Lab?{link}")
    expect(page.get_by_role("heading", name="Attack Lab")).to_be_visible(timeout=120_000)
    expect(
        page.locator("[class*=st-key-tile_], [class*=st-key-gallery_here]").first
    ).to_be_visible()
    settle(page)


def in_view(element: Locator) -> bool:
    """Whether the whole of it is on the screen, without scrolling."""
    expect(element).to_be_visible()
    box, size = element.bounding_box(), element.page.viewport_size
    assert box is not None
    assert size is not None
    inside = box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
    return inside and box["y"] >= 0 and box["y"] + box["height"] <= size["height"]


def middle(canvas: Locator, row: int, col: int) -> Position:
    """Where a pixel of a 32 x 32 image lies on a canvas, however large it is drawn."""
    box = canvas.bounding_box()
    assert box is not None
    return {"x": (col + 0.5) * box["width"] / 32, "y": (row + 0.5) * box["height"] / 32}


def press(tile: Locator, answer: Callable[..., object]) -> None:
    """Click on the picture at the top of a tile, not on its words, until `answer` was seen."""
    corner: Position = {"x": 25, "y": 25}
    press_until(lambda: tile.click(position=corner), lambda most: answer(timeout=most))


@pytest.mark.spec("UX-6", "AL-7")
def test_what_an_action_brought_is_in_view(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    open_lab(page, server, "")
    pictures = [page.locator(f'img[alt^="{name}"]') for name in ("Benign", "Attacked", "Differ")]
    assert all(in_view(picture) for picture in pictures)
    chart = page.locator(".js-plotly-plot")
    box = chart.bounding_box()
    assert box is not None
    assert box["y"] < 750

    for number, heading in ((8, "A cat, not attacked yet"), (0, "2 images, not attacked yet")):
        box = page.get_by_role("checkbox", name=f"cat {number}", exact=True)
        tile = page.locator("[class*=st-key-tile_]").filter(has=box)
        opened = page.get_by_role("heading", name=heading)
        press(tile, opened.wait_for)
        settle(page)
        assert in_view(opened)
        assert box.is_checked()
    assert in_view(page.locator('figure img[alt^="cat"]').first)

    page.locator(".st-key-start button").click()
    ended = page.get_by_role("heading", name="The batch", exact=True)
    expect(ended).to_be_visible(timeout=ATTACK_MS)
    settle(page)
    tiles = page.locator("[class*=st-key-tile_result_]")
    expect(tiles).to_have_count(2)
    for at in (1, 0):
        link = re.compile(f"row=samples%3A{(8, 0)[at]}")
        press(tiles.nth(at), partial(page.wait_for_url, link))
        settle(page)
        assert in_view(page.locator('img[alt^="Benign: cat"]'))


def test_the_keyboard_chooses_images_and_shows_where_it_is(page: Page, server: str) -> None:
    open_lab(page, server, "images=samples:1")
    tile = page.locator("[class*=st-key-tile_]").nth(1)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        settle(page)
        page.locator(".st-key-start button").focus()
        for _ in range(4):
            page.keyboard.press("Tab")
            if tile.locator("input:focus").count():
                break
        assert tile.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
        assert tile.evaluate("e => parseFloat(getComputedStyle(e).outlineWidth)") >= 2
    page.keyboard.press("Space")
    expect(page.get_by_text("2 images chosen")).to_be_visible()
    names = [box.get_attribute("aria-label") for box in page.locator("main input").all()]
    ships = [name for name in names if name and name.startswith("ship")]
    assert len(set(ships)) == len(ships) > 1


@pytest.mark.spec("AL-6")
def test_batch_progress_stop_result_hand_explorer(page: Page, server: str) -> None:
    # Differential evolution with a budget for many minutes: it lasts until it is stopped.
    open_lab(page, server, "images=samples:1-3&engine=de&target=frog&pixels=1&budget=40400")
    expect(page.get_by_text("3 images chosen")).to_be_visible()
    page.locator(".st-key-start button").first.click()
    live = page.locator(".st-key-live_job")
    expect(live).to_contain_text(re.compile(r"of 3 images done"))
    told = live.locator('[data-testid="stMarkdownContainer"]').first.inner_text()
    expect(live.locator('[data-testid="stMarkdownContainer"]').first).not_to_have_text(told)
    picture = page.locator('.st-key-picture_job img[src^="data:image/svg"]').first
    expect(picture).to_be_visible(timeout=ATTACK_MS)

    stop(page, "job")
    settle(page)
    expect(page.get_by_text("stopped before the end").first).to_be_visible()

    # Row 2 of the table; its tick box is at the left.
    page.get_by_role("tab", name="Table and files").click()
    table = page.locator("[class*=st-key-row_] canvas").first
    table.scroll_into_view_if_needed()
    corner = table.bounding_box()
    assert corner is not None
    page.mouse.click(corner["x"] + 16, corner["y"] + 36 + 35 + 17)
    settle(page)
    opened = page.get_by_role("heading", name="Stopped before it became a frog")
    assert in_view(opened)
    page.get_by_role("tab", name="Pixel by pixel").click()
    canvas = page.locator(".st-key-hand_canvas canvas").first
    expect(canvas).to_be_visible()
    before = page.locator(READING).inner_text()
    canvas.click(position=middle(canvas, 15, 16))
    expect(page.locator(READING)).not_to_have_text(before)
    expect(page.get_by_text(re.compile(r"row \d+, column \d+ → RGB")).first).to_be_visible()
    settle(page)
    page.locator(".st-key-hand_to_explorer button").first.click()
    expect(page.get_by_role("heading", name="Activation Explorer")).to_be_visible()
    expect(page.locator(".st-key-activation_canvas .rows canvas").first).to_be_visible()
    settle(page)
    assert re.search(r"pair=samples%3A\d~\d+\.\d+\.[0-9a-f]{6}", page.url)


@pytest.mark.spec("AL-9")
def test_a_pixel_by_mouse_and_by_keyboard_is_answered_at_once(page: Page, server: str) -> None:
    open_lab(page, server, "images=samples:0&way=hand")
    canvas = page.locator(".st-key-free_canvas canvas").first
    expect(canvas).to_be_visible()
    expect(page.get_by_text("Untouched. Pick a pixel.")).to_be_visible()
    settle(page)
    canvas.click(position=middle(canvas, 7, 7))  # the first pick warms caches up
    settle(page)
    for col in (11, 14, 18, 22, 26):
        before = page.locator(READING).inner_text()
        canvas.click(position=middle(canvas, 11, col))
        expect(page.locator(READING)).not_to_have_text(before)
        settle(page)

    canvas.focus()
    for key in ("ArrowLeft", "ArrowUp", "Enter"):
        page.keyboard.press(key)
    expect(page.get_by_text(re.compile("row 10, column 25 →"))).to_be_visible()
    spoken = page.locator(".st-key-free_canvas .spoken")
    expect(spoken).to_contain_text("row 10, column 25")
    page.get_by_role("button", name="white").click()
    expect(page.get_by_text("row 10, column 25 → RGB (255, 255, 255)")).to_be_visible()
    page.locator(".st-key-free_undo button").first.click()
    expect(page.get_by_text(re.compile(r"row 10, column 25 → RGB \(255, 0, 0\)"))).to_be_visible()
    page.locator(".st-key-free_reset button").first.click()
    expect(page.get_by_text("Untouched. Pick a pixel.")).to_be_visible()


def test_the_map_fills_and_a_click_tries_its_worst_colour(page: Page, server: str) -> None:
    # Two maps, so that even a quick machine is seen at one.
    open_lab(page, server, "images=samples:0,8&engine=exhaustive")
    page.locator(".st-key-start button").first.click()
    picture = page.locator(".st-key-picture_job")
    expect(picture).to_contain_text(re.compile(r"map: [\d,]+ of 1,024"), timeout=ATTACK_MS)
    expect(page.locator(".st-key-live_job")).to_have_count(0, timeout=ATTACK_MS)
    expect(page.get_by_role("tab", name="Vulnerability map")).to_be_visible()
    settle(page)
    expect(page.get_by_text(re.compile(r"\d+ of 1,024 pixels \(")).first).to_be_visible()
    canvas = page.locator(".st-key-hand_canvas canvas").first
    before = page.locator(READING).inner_text()
    canvas.hover(position=middle(canvas, 3, 3))
    tip = page.locator(".st-key-hand_canvas .tip")
    expect(tip).to_contain_text(re.compile(r"row 3, column 3.*cat down to [\d.]+%"))
    canvas.click(position=middle(canvas, 3, 3))
    expect(page.locator(READING)).not_to_have_text(before)
    expect(page.get_by_text(re.compile("row 3, column 3 → RGB")).first).to_be_visible()
    page.get_by_role("radio", name="Flips to").or_(
        page.get_by_role("button", name="Flips to")
    ).first.click()
    settle(page)
    expect(page.get_by_text("no flip").first).to_be_visible()


@pytest.mark.spec("AL-10")
def test_a_cell_of_the_matrix_shows_its_images(page: Page, server: str) -> None:
    open_lab(page, server, "images=samples:0,8,1&budget=200")
    page.locator(".st-key-start button").first.click()
    expect(page.get_by_text("correctly classified images were broken")).to_be_visible(
        timeout=ATTACK_MS
    )
    settle(page)
    page.get_by_role("tab", name="Classes and queries").click()
    cell = page.locator("[class*=st-key-cell_] .scatterlayer .point").first

    def press_cell() -> None:
        cell.scroll_into_view_if_needed()
        box = cell.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)

    tiles = page.locator("[class*=st-key-tile_result_]")
    press_until(press_cell, lambda most: tiles.first.wait_for(timeout=most))
    settle(page)
    page.locator(".st-key-cell_all button").click()
    expect(tiles).to_have_count(0)
