"""A running server: many visitors beside an attack, and what is left when it ends or is killed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.browser import serving
from benchmarks.serving.load import Seen, attacked_meanwhile, visit
from benchmarks.serving.visitor import Visitor
from benchmarks.sessions import pages_of
from ndcore.bundles.bundle import Bundle
from ndcore.jobs.shelf import Shelf

pytestmark = pytest.mark.load

VISITORS, CLICKS, THINK_S = 10, 2, 0.5
# So many images that it is under way whenever it is looked at, on a quick machine too; done by a
# process of its own.
IMAGES = 500
ENDLESS = {
    "bundle": "digits-cnn",
    "source": "digits",
    "images": f"digits:0-{IMAGES - 1}",
    "engine": "exhaustive",
    "pixels": "5",
}


@pytest.fixture
def environment(digits_bundle: Bundle, digits_cache: Path, tmp_path: Path) -> dict[str, str]:
    shutil.copytree(digits_cache / "bundles", tmp_path / "cache" / "bundles")
    return {"ND_CACHE": str(tmp_path / "cache"), "ND_JOB_QUERIES": "1000000000"}


def begun(address: str) -> str:
    """Start the endless attack; the id of its job, which has found something."""

    async def start() -> str:
        async with Visitor(address) as visitor:
            await visitor.open("Attack_Lab", ENDLESS)
            answer = await visitor.click("start")
            assert not answer.errors
            while not re.search(rf"\b[1-9]\d* of {IMAGES} images done", visitor.texts()):
                await asyncio.sleep(0.2)
                assert visitor.timers, visitor.texts()
                answer = await visitor.poll()
                assert not answer.errors
            return visitor.param("job")

    return asyncio.run(asyncio.wait_for(start(), 300))


def told(address: str, job: str) -> str:
    """What a link to the job shows."""

    async def look() -> str:
        async with Visitor(address) as visitor:
            link: dict[str, Any] = {"bundle": "digits-cnn", "job": job}
            answer = await visitor.open("Attack_Lab", link)
            assert not answer.errors
            return visitor.texts()

    return asyncio.run(look())


def workers(server: subprocess.Popen[bytes]) -> list[psutil.Process]:
    return psutil.Process(server.pid).children(recursive=True)


def until_gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=10)[1]


@pytest.mark.spec("LB-6", "UX-8")
def test_visitors_on_all_pages_get_answers_while_an_attack_runs(
    digits_bundle: Bundle, environment: dict[str, str]
) -> None:
    async def together(address: str) -> tuple[Seen, Seen]:
        attack = Seen()
        attacker = asyncio.create_task(attacked_meanwhile(address, ENDLESS, attack))
        seen = await visit(
            address, pages_of(digits_bundle), VISITORS, reruns=CLICKS, think_s=THINK_S
        )
        assert not attacker.done()
        attacker.cancel()
        with suppress(asyncio.CancelledError):
            await attacker
        return seen, attack

    with serving("asgi.py", environment) as (address, _):
        seen, attack = asyncio.run(together(address))
    assert seen.errors == attack.errors == []
    assert len(seen.first) == VISITORS
    assert len(seen.reruns) == VISITORS * CLICKS
    assert attack.polls


@pytest.mark.spec("LB-1", "LB-2")
def test_a_server_that_is_told_to_end_or_killed_loses_nothing_that_was_found(
    environment: dict[str, str],
) -> None:
    shelf = Shelf(Path(environment["ND_CACHE"]) / "jobs")
    with serving("asgi.py", environment) as (address, server):
        first = begun(address)
        working = workers(server)
        assert working
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=20) in (0, -signal.SIGTERM)
        assert until_gone(working)
    with serving("asgi.py", environment) as (address, server):
        assert "the server ended meanwhile" in told(address, first)
        second = begun(address)
        working = workers(server)
        os.kill(server.pid, signal.SIGKILL)
        server.wait()
        assert until_gone(working)
    for job in (first, second):
        found = shelf.open(job)
        assert found is not None
        assert 0 < len(found.result.results) < IMAGES
    with serving("asgi.py", environment) as (address, server):
        text = told(address, second)
        assert "the server ended meanwhile" in text
        assert "What was found is kept" in text
        # A process that does the work and is killed harms nobody.
        third = begun(address)
        (worker,) = workers(server)
        worker.kill()
        end = time.monotonic() + 20
        while "ended unexpectedly" not in (text := told(address, third)):
            assert time.monotonic() < end, text
            time.sleep(0.2)
