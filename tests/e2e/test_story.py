"""Rachael's story with real clicks: attack an image, look at the neurons, read a verdict."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.settled import settle, stop

pytestmark = pytest.mark.e2e

CANVAS = ".st-key-activation_canvas"
ATTACK_MS = 300_000


def colours_on(canvas: Locator) -> int:
    """How many different colours a canvas shows."""
    script = """element => {
        const { width, height } = element;
        const data = element.getContext("2d").getImageData(0, 0, width, height).data;
        return new Set(new Uint32Array(data.buffer)).size;
    }"""
    return int(canvas.evaluate(script))


def order_shown(canvas: Locator) -> str:
    return str(canvas.evaluate("element => element.toDataURL()"))


def open_start(page: Page, server: str) -> None:
    page.goto(server)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    settle(page)


def attack_from_home(page: Page, server: str) -> None:
    """Home -> Attack Lab -> a successful attack on the image that the story proposes."""
    open_start(page, server)
    page.locator(".st-key-go button").click()
    expect(page.get_by_role("heading", name="Attack Lab")).to_be_visible()
    settle(page)
    expect(page.locator("[class*=st-key-tile_] input:checked")).to_have_count(1)
    page.locator(".st-key-start button").first.click()
    expect(page.get_by_role("heading", name=re.compile("became"))).to_be_visible(timeout=ATTACK_MS)
    settle(page)


@pytest.mark.spec("ND-18")
def test_attack_explorer_detector(page: Page, server: str) -> None:
    attack_from_home(page, server)
    expect(page.get_by_text("confirmed in a plain float32 pass")).to_be_visible()
    pictures = page.locator('img[src^="data:image/svg"]')
    expect(pictures).to_have_count(3)
    assert all(pictures.nth(i).evaluate("image => image.naturalWidth") > 100 for i in range(3))

    page.locator(".st-key-to_explorer button").click()
    expect(page.get_by_role("heading", name="Activation Explorer")).to_be_visible()
    canvas = page.locator(f"{CANVAS} .rows canvas").first
    expect(canvas).to_be_visible()
    settle(page)
    assert "pair=" in page.url
    assert colours_on(canvas) > 20

    first = order_shown(canvas)
    page.locator(f"{CANVAS} select.sort").select_option("attacked")
    assert order_shown(canvas) != first, "sorting redraws at once, in the browser"
    settle(page)
    expect(page).to_have_url(re.compile("sort=attacked"))

    rows = page.locator(f"{CANVAS} .rows").first
    rows.click(position={"x": 200, "y": 60})
    expect(page).to_have_url(re.compile("marks="))
    settle(page)
    expect(page.locator(f"{CANVAS} .clear")).to_be_enabled()
    page.locator(f"{CANVAS} [data-show=marked]").click()
    expect(page.locator(f"{CANVAS} .panel h2").first).to_contain_text(re.compile(r"\b1 of \d+"))
    page.locator(f"{CANVAS} [data-show=all]").click()
    rows.focus()
    for key in ("Home", "ArrowDown", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile(r"marks=[^&]*%2C|marks=[^&]*,"))

    page.locator(".st-key-story_2 button").click()
    settle(page)
    assert page.locator(f"{CANVAS} select.sort").input_value() == "attacked"
    expect(page.get_by_text(re.compile("(Held|Did not hold): at"))).to_have_count(1)

    page.get_by_role("link", name="Divergence Detector").first.click()
    expect(page.get_by_role("heading", name="Divergence Detector")).to_be_visible()
    settle(page)
    # One verdict each on the benign and on the attacked image.
    told = page.get_by_text(re.compile(r"of benign images taken for \w+ score as high"))
    expect(told).to_have_count(2, timeout=120_000)
    expect(page.get_by_text("Attacked image").first).to_be_visible()
    assert page.locator(".js-plotly-plot .main-svg").count() > 0


@pytest.mark.spec("ND-18", "UX-1")
def test_the_guided_story_in_nine_clicks(page: Page, server: str) -> None:
    clicks = 0

    def click(key: str) -> None:
        nonlocal clicks
        clicks += 1
        page.locator(f".st-key-{key} button").first.click()
        settle(page)

    def step(number: int) -> None:
        banner = page.locator(".st-key-story")
        expect(banner).to_contain_text(f"Step {number} of 4")
        box = banner.bounding_box()
        assert box is not None
        assert box["height"] < 90
        expect(page).to_have_url(re.compile(f"story={number}"))

    open_start(page, server)
    click("go")
    step(1)
    click("start")
    expect(page.get_by_role("heading", name=re.compile("became"))).to_be_visible(timeout=ATTACK_MS)
    click("story_next")
    step(2)
    answers = page.get_by_text(re.compile("^(check_circle|cancel)? ?(Yes|No): "))
    for seen in (1, 2, 3):
        expect(answers).to_have_count(seen - 1)
        click(f"story_{seen}")
    expect(answers).to_have_count(3)
    expect(page.get_by_text("the benign image looks like an ordinary cat")).to_be_visible()
    click("story_next")
    step(3)
    expect(page.get_by_text("Yes: the attack is noticed.")).to_be_visible(timeout=ATTACK_MS)
    click("story_next")
    step(4)
    expect(page.locator(".js-plotly-plot, canvas").first).to_be_visible()
    click("story_close")
    assert clicks <= 9
    expect(page.locator(".st-key-story")).to_have_count(0)
    assert "story=" not in page.url


def test_a_link_restores_the_view(page: Page, server: str) -> None:
    page.goto(f"{server}/Activation_Explorer?pair=samples:0~10.21.223300")
    expect(page.locator(f"{CANVAS} .rows canvas").first).to_be_visible()
    settle(page)
    page.locator(f"{CANVAS} select.sort").select_option("benign")
    expect(page).to_have_url(re.compile("sort=benign"))
    url = page.url
    page.goto("about:blank")
    page.goto(url)
    expect(page.locator(f"{CANVAS} .rows canvas").first).to_be_visible()
    settle(page)
    assert page.locator(f"{CANVAS} select.sort").input_value() == "benign"
    tray = page.locator('.st-key-instance_1 img[alt^="taken for"]')
    expect(tray).to_have_count(2)


# The first of these images falls soon; most of the others take 40,400 queries, many minutes in all.
ENDLESS = "images=samples:0-19&engine=de&pixels=1&budget=40400"
DONE = re.compile(r"\b([1-9]\d*) of 20 images done")


def top(place: Locator) -> float:
    box = place.bounding_box()
    assert box is not None
    return box["y"]


@pytest.mark.spec("UX-3")
def test_stop_ends_a_search_and_nothing_moves_that_is_clicked(page: Page, server: str) -> None:
    page.goto(f"{server}/Attack_Lab?{ENDLESS}")
    expect(page.get_by_text("20 images chosen")).to_be_visible()
    settle(page)
    page.locator(".st-key-start button").first.click()
    bar = page.locator(".st-key-live_job")
    button = page.locator(".st-key-stop_job button")
    expect(page.locator(".st-key-picture_job img").first).to_be_visible(timeout=ATTACK_MS)
    place = top(button)
    expect(bar).to_contain_text(DONE, timeout=ATTACK_MS)
    tiles = page.locator("[class*=st-key-tile_result_]")
    expect(tiles.first).to_be_visible(timeout=ATTACK_MS)
    assert top(button) == place
    place = top(tiles.first)
    told = DONE.search(bar.inner_text())
    assert told is not None
    stop(page, "job")
    expect(page.get_by_role("heading", name="The batch", exact=True)).to_be_visible()
    settle(page)
    uncounted = re.compile("never tried and not counted|stopped before the end and counted")
    expect(page.get_by_text(uncounted)).to_be_visible()
    assert tiles.filter(has_not_text="stopped").count() >= int(told[1])
    assert top(tiles.first) == place
