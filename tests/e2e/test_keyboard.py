"""Every page by the keyboard alone: the way to the main action, what has the focus, and headings.

The focus is seen where the same pixels with and without it differ by 3 : 1 (WCAG 2.2, 2.4.13).
"""

from __future__ import annotations

import io
import itertools
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from ndcore.figures.style.palette import PAGES, channels
from tests.colour_vision import XYZ
from tests.e2e.settled import settle

pytestmark = pytest.mark.e2e

OPENED_MS = 300_000
MOST_STOPS = 14
LOOKED_AT = 10  # stops whose focus is looked at
LEAST_CONTRAST = 3.0
LEAST_PIXELS = 40
DRAWN_MS = 60  # in which a change of the focus is drawn
REACH = 8  # CSS pixels around what has the focus
# Page -> its main action.
ACTIONS = {
    "": ".st-key-go button",
    "Attack_Lab?images=samples:0": ".st-key-start button",
    "Activation_Explorer": ".st-key-story_1 button",
    "Divergence_Detector": ".st-key-judge button",
    "Training_Evolution": ".st-key-evo_part button",
}
# What has the focus, through shadow roots; a box to tick is unseen, so its label counts.
FOCUSED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return !at || at === document.body ? null : at.closest("label") ?? at;
}"""
HEADINGS = """() => {
    const found = [];
    const walk = (node) => {
        for (const element of node.children) {
            const level = element.tagName.match(/^H([1-6])$/);
            if (level && element.checkVisibility()) found.push(+level[1]);
            if (element.shadowRoot) walk(element.shadowRoot);
            walk(element);
        }
    };
    walk(document.querySelector(".stMain"));
    return found;
}"""
# Names of what can be operated, of each kind, as a screen reader tells them.
NAMES = """() => [...document.querySelectorAll(".stMain :is(button, input, a, summary, select)")]
    .filter((element) => element.checkVisibility() && element.tabIndex >= 0
        && !element.closest("[data-testid=stElementToolbar], .modebar"))
    .map((element) => [element.tagName, element.type, element.getAttribute("aria-label")
        || element.closest("label")?.textContent || element.textContent || element.title]
        .join(" "))"""


def opened(page: Page, server: str, path: str) -> None:
    page.goto(f"{server}/{path}")
    expect(page.get_by_role("heading", level=1)).to_be_visible(timeout=OPENED_MS)
    settle(page)
    expect(page.locator(ACTIONS[path]).first).to_be_attached()


def luminance(page: Page, clip: dict[str, float]) -> NDArray[np.float64]:
    shot = Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")  # type: ignore[arg-type]
    value = np.asarray(shot) / 255
    linear = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ XYZ[1])


def around(element: Any) -> dict[str, float]:
    box = element.bounding_box()
    assert box is not None
    left, top = max(box["x"] - REACH, 0), max(box["y"] - REACH, 0)
    return {
        "x": left,
        "y": top,
        "width": max(min(box["x"] + box["width"] + REACH, 1400) - left, 1),
        "height": max(min(box["y"] + box["height"] + REACH, 1000) - top, 1),
    }


@pytest.mark.parametrize("path", ACTIONS)
def test_few_stops_lead_to_the_main_action(page: Page, server: str, path: str) -> None:
    opened(page, server, path)
    page.keyboard.press("Tab")
    assert page.evaluate(f"({FOCUSED})().textContent") == "Skip to main content"
    page.keyboard.press("Enter")
    for stop in itertools.count(2):
        assert stop <= MOST_STOPS, "the main action is too far"
        page.keyboard.press("Tab")
        if page.evaluate(f"({FOCUSED})()?.matches({ACTIONS[path]!r}) ?? false"):
            break
    levels = page.evaluate(HEADINGS)
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(low <= high + 1 for high, low in itertools.pairwise(levels)), levels
    names = page.evaluate(NAMES)
    assert sorted(set(names)) == sorted(names), "two controls have one name"


@pytest.mark.spec("UX-4")
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ACTIONS)
def test_what_has_the_focus_shows_it_and_captions_are_legible(
    page: Page, server: str, path: str, theme: Any
) -> None:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    opened(page, server, path)
    page.add_style_tag(content="* { transition: none !important }")
    caption = page.locator('[data-testid="stCaptionContainer"]').first
    red, green, blue = channels(PAGES[theme]["faint"])
    expect(caption).to_have_css("color", f"rgb({red}, {green}, {blue})")
    expect(caption).to_have_css("opacity", "1")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    unseen = []
    for _ in range(LOOKED_AT):
        page.keyboard.press("Tab")
        element = page.evaluate_handle(FOCUSED).as_element()
        if element is None:
            break
        page.wait_for_timeout(DRAWN_MS)
        clip = around(element)
        focused = luminance(page, clip)
        page.evaluate("element => (element.control ?? element).blur()", element)
        page.wait_for_timeout(DRAWN_MS)
        bare = luminance(page, clip)
        ratio = (np.maximum(focused, bare) + 0.05) / (np.minimum(focused, bare) + 0.05)
        if (ratio >= LEAST_CONTRAST).sum() < LEAST_PIXELS:
            unseen.append(element.evaluate("element => element.outerHTML.slice(0, 160)"))
    assert not unseen
