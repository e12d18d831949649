"""What a page costs a server's processor when it is asked for again and nothing changed."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.browser import serving
from benchmarks.serving.visitor import Visitor
from pages.ui.frame.page_list import PAGES

RUNS, BATCHES = 20, 3
POLL_S = 0.5
EMPTY = "from pages.ui.frame.page import setup\n\nsetup('Empty')\n"


async def rerun_ms(
    address: str, pid: int, page: str, link: Mapping[str, Any]
) -> tuple[float, float]:
    """Milliseconds of processor time of the server: of the first look, and of one with nothing
    changed, where that took least among some batches of them.

    Work that the first look began in the background is waited for before.

    Args:
        address, pid: of the server, which nobody else asks meanwhile.
        page: as in its address, "" for Home.
        link: what its address holds.

    Raises:
        RuntimeError: the page failed.
    """
    import psutil  # of requirements-dev.txt

    server = psutil.Process(pid)

    def spent_s() -> float:
        times = server.cpu_times()
        return float(times.user + times.system)

    async with Visitor(address) as visitor:
        before = spent_s()
        errors = (await visitor.open(page, dict(link))).errors
        first = spent_s() - before
        while visitor.timers:
            await asyncio.sleep(POLL_S)
            errors += (await visitor.poll()).errors
        errors += (await visitor.rerun()).errors
        batches = []
        for _ in range(BATCHES):
            before = spent_s()
            for _ in range(RUNS):
                errors += (await visitor.rerun()).errors
            batches.append(spent_s() - before)
    if errors:
        raise RuntimeError(f"the page failed: {errors[0]}")
    return 1000 * first, 1000 * min(batches) / RUNS


@contextmanager
def empty_page() -> Iterator[tuple[str, int]]:
    """A server whose page has nothing but the sidebar of all pages: its address and process."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "pages").mkdir()
        for each in PAGES:
            (Path(folder) / each.path).write_text("")
        (Path(folder) / "Home.py").write_text(EMPTY)
        with serving(str(Path(folder) / "Home.py")) as (address, process):
            yield address, process.pid
