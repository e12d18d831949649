"""Waiting for the app in a browser."""

from __future__ import annotations

from playwright.sync_api import Page, expect

BEGUN_MS = 500  # in which a run of the page that was asked for has begun


def settle(page: Page) -> None:
    """Wait until the app has answered and shows no error."""
    page.wait_for_timeout(BEGUN_MS)
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]')
    expect(page.locator('[data-testid="stException"]')).to_have_count(0)
