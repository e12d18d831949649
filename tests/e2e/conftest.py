"""A real server and a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from benchmarks.browser import FLAGS
from ndcore.evolution.recording.recordings import SHIPPED
from tests.e2e.settled import COUNT_RUNS

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = os.environ.get("ND_CHROMIUM", "/usr/bin/chromium")
START_S = 120
FIRST_MS = 300_000
# A page may have to load a bundle first, on a busy machine.
expect.set_options(timeout=60_000)


Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture(scope="session")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Serve:
    """Serves the app on a free port, with further environment variables, and gives its address."""

    @contextmanager
    def serving(**environment: str) -> Iterator[str]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        log = tmp_path_factory.mktemp("server") / "log.txt"
        with log.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "Home.py", "--server.port", str(port)],
                cwd=ROOT,
                env=os.environ | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
            address = f"http://127.0.0.1:{port}"
            try:
                _until_healthy(f"{address}/_stcore/health", process, log)
                yield address
            finally:
                process.terminate()
                process.wait(timeout=20)
        assert "Traceback" not in log.read_text(), log.read_text()[-3000:]

    return serving


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache folder of `server`: what is shipped, and what a test adds while it needs it."""
    cache = tmp_path_factory.mktemp("shown")
    for folder in ("bundles", SHIPPED):
        for path in (ROOT / "cache" / folder).iterdir():
            (cache / folder).mkdir(exist_ok=True)
            (cache / folder / path.name).symlink_to(path, target_is_directory=True)
    return cache


@contextmanager
def added(shown: Path, place: str, folder: Path) -> Iterator[None]:
    """While this lasts, the server has a bundle or a run that lies in `folder`."""
    link = shown / place
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(folder, target_is_directory=True)
    try:
        yield
    finally:
        link.unlink()


@pytest.fixture(scope="session")
def server(serve: Serve, shown: Path, window: BrowserContext) -> Iterator[str]:
    """Address of the app, served from the shipped bundles and runs, once for all tests."""
    with serve(ND_CACHE=str(shown)) as address:
        first = window.new_page()
        first.goto(address, timeout=FIRST_MS)
        # Loads the libraries and the bundle, for all that follow.
        expect(first.locator(".st-key-cards img").first).to_be_visible(timeout=FIRST_MS)
        first.close()
        yield address


def _until_healthy(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"the server did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium of the machine."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield running
        running.close()


@pytest.fixture(scope="session")
def window(browser: Browser) -> BrowserContext:
    """Where the pages of all tests open, so that the app's code is fetched and compiled once."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(60_000)
    context.add_init_script(COUNT_RUNS)
    return context


@pytest.fixture
def page(window: BrowserContext) -> Iterator[Page]:
    """A fresh page that collects uncaught errors and fails the test on them."""
    page = window.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    for each in window.pages:
        each.close()
    window.set_offline(False)
    window.clear_cookies()
    assert not errors, errors
