"""Many visitors at once, each on a page of its own choice, and an attack that runs meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from benchmarks.serving.visitor import Answer, Visitor

JOIN_S = 3.0  # in which all visitors come
POLL_S = 0.4  # as the pages do
SETTLED_S = 2.0  # after the last click, before memory is read

Page = tuple[str, Sequence[dict[str, Any]]]  # its name in the address, and links to it


@dataclass
class Seen:
    """What the visitors saw: seconds of first views, of later ones and of polls; errors."""

    first: list[float] = field(default_factory=list)
    again: dict[str, list[float]] = field(default_factory=dict)
    polls: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    @property
    def reruns(self) -> list[float]:
        """Seconds of all later views."""
        return [seconds for each in self.again.values() for seconds in each]

    def take(self, answer: Answer, into: list[float]) -> None:
        """Keep an answer."""
        into.append(answer.seconds)
        self.errors += answer.errors


async def visit(
    address: str, pages: Sequence[Page], visitors: int, *, reruns: int, think_s: float
) -> Seen:
    """Let visitors come, click `reruns` times each, and leave together.

    Each looks at one page, `pages` in turn, and follows another link to it or looks at it again,
    after half to one and a half of `think_s`.
    """
    seen, ready, leave = Seen(), asyncio.Semaphore(0), asyncio.Event()

    async def one(number: int) -> None:
        rng = random.Random(number)
        page, links = pages[number % len(pages)]
        mine = seen.again.setdefault(page or "Home", [])
        try:
            async with Visitor(address) as visitor:
                seen.take(await visitor.open(page, rng.choice(links)), seen.first)
                for _ in range(reruns):
                    await asyncio.sleep(think_s * rng.uniform(0.5, 1.5))
                    seen.take(await visitor.follow(rng.choice(links)), mine)
                ready.release()
                await leave.wait()
        except Exception as error:  # counted, not hidden
            seen.errors.append(f"visitor {number}: {type(error).__name__}: {error}")
            ready.release()

    coming = []
    for number in range(visitors):
        coming.append(asyncio.create_task(one(number)))
        await asyncio.sleep(JOIN_S / visitors)
    for _ in coming:
        await ready.acquire()
    await asyncio.sleep(SETTLED_S)
    leave.set()
    await asyncio.gather(*coming)
    return seen


async def attacked_meanwhile(address: str, link: dict[str, Any], seen: Seen) -> None:
    """An attack of a visitor of its own, looked at as a browser does, until cancelled; stopped
    then."""
    async with Visitor(address) as visitor:
        await visitor.open("Attack_Lab", link)
        seen.take(await visitor.click("start"), seen.first)
        if not visitor.timers:
            seen.errors.append("the attack did not start")
        try:
            while visitor.timers:
                await asyncio.sleep(POLL_S)
                seen.take(await visitor.poll(), seen.polls)
        finally:
            with suppress(Exception):
                await visitor.click("stop_job")
