"""The browser's history: a page is one entry, and going back shows it as it was left."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.settled import settle

pytestmark = pytest.mark.e2e


def heading(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    settle(page)


def follow(page: Page, name: str) -> None:
    page.locator('[data-testid="stSidebarNavLink"]').filter(has_text=name).click()
    heading(page, name)


def seed(page: Page) -> Locator:
    """The Lab's seed, which stands among the settings."""
    page.get_by_role("button", name="Settings").click()
    return page.get_by_role("spinbutton", name="Seed")


@pytest.mark.spec("UX-2")
def test_one_press_of_back_leaves_a_page_and_finds_the_last_one_as_it_was(
    page: Page, server: str
) -> None:
    page.goto(server)
    heading(page, "Why did one pixel")
    follow(page, "Attack Lab")
    field = seed(page)
    field.fill("7")
    field.press("Enter")
    page.wait_for_function("new URLSearchParams(location.search).get('seed') === '7'")
    settle(page)
    page.keyboard.press("Escape")
    before = page.evaluate("history.length")
    follow(page, "Activation Explorer")
    assert page.evaluate("history.length") == before + 1
    page.go_back()
    heading(page, "Attack Lab")
    expect(seed(page)).to_have_value("7")
    assert "seed=7" in page.url
    page.go_back()
    heading(page, "Why did one pixel")
    page.go_forward()
    heading(page, "Attack Lab")
    expect(seed(page)).to_have_value("7")


def test_another_page_begins_at_its_top(page: Page, server: str) -> None:
    page.goto(f"{server}/Concept_Graph?bundle=cifar10-vgg16&pin=dense_1:3")
    heading(page, "Concept Graph")
    main = page.get_by_test_id("stMain")
    main.evaluate("main => main.scrollTo({ top: 600, behavior: 'instant' })")
    page.get_by_role("button", name="Open in the Activation Explorer").click()
    heading(page, "Activation Explorer")
    assert main.evaluate("main => main.scrollTop") == 0
    main.evaluate("main => main.scrollTo({ top: 600, behavior: 'instant' })")
    page.go_back()
    heading(page, "Concept Graph")
    assert main.evaluate("main => main.scrollTop") == 0
