"""A Streamlit script on a free port, and a Chromium to look at it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ndcore.errors import BadRequestError

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).resolve().parent.parent
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NAMES = ("chromium", "chromium-browser", "google-chrome")
START_S = 60


@contextmanager
def served(script: str) -> Iterator[str]:
    """Address of `script` (a path in the repository), served until the block ends.

    Raises:
        BadRequestError: the server does not start.
    """
    with serving(script) as (address, _):
        yield address


@contextmanager
def serving(
    script: str, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The same, with further variables of the environment and with the server's process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | (environment or {}),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            if not _healthy(f"http://127.0.0.1:{port}/_stcore/health", process):
                log.seek(0)
                last = log.read().decode(errors="replace").strip().splitlines()[-1:] or ["no word"]
                raise BadRequestError(f"{script} could not be served: {last[0]}")
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _healthy(url: str, process: subprocess.Popen[bytes]) -> bool:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except OSError:
            time.sleep(0.2)
    return False


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium: `$ND_CHROMIUM`, the system's, or the one playwright installed.

    Raises:
        BadRequestError: playwright or Chromium is missing, or what was done in it failed.
    """
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        raise BadRequestError(
            "this benchmark drives a browser with playwright, which is not installed: "
            "pip install -r requirements-dev.txt"
        ) from None
    place = os.environ.get("ND_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    _require(place)
    try:
        with sync_playwright() as playwright:
            place = place or playwright.chromium.executable_path
            _require(place)
            with playwright.chromium.launch(executable_path=place, args=list(FLAGS)) as browser:
                yield browser
    except Error as error:
        raise BadRequestError(f"Chromium says: {str(error).splitlines()[0]}") from error


def _require(place: str | None) -> None:
    """Refuse a place at which there is no Chromium; None is still to be found out."""
    if place and not os.access(place, os.X_OK):
        raise BadRequestError(
            f"there is no Chromium at {place}: install it (apt-get install chromium, or "
            "playwright install chromium) or name it with ND_CHROMIUM"
        )


class Traffic:
    """Sizes of what a page's websockets received: the payload, as it leaves the server."""

    def __init__(self, page: Page) -> None:
        self._frames: list[bytes] = []
        page.on("websocket", lambda opened: opened.on("framereceived", self._add))

    def _add(self, payload: str | bytes) -> None:
        self._frames.append(payload.encode() if isinstance(payload, str) else payload)

    def take(self) -> list[bytes]:
        """The frames since the last call."""
        frames, self._frames = self._frames, []
        return frames
