"""Many people on one server: how long they wait while an attack runs, and what each costs.

The app runs on a free port of loopback. A visitor is a websocket that speaks as a browser does;
it sends a click and waits until the page is whole. Visitors share out all pages, look at one each,
and click after half to one and a half of the think time: on another link to it, as a control
makes it, or on the same one. Every link was opened once before, as on a server that has been up for
a while. Visitors and server share the machine, so what the visitors take of it is told too.

Besides, every page is asked for again with nothing changed, by a single visitor, in processor time
of the server, beside an empty page with the same sidebar.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.browser import serving
from benchmarks.exploring.scene import choose_scene
from benchmarks.report import Row, limited, machine, row
from benchmarks.serving.load import Page, Seen, attacked_meanwhile, visit
from benchmarks.serving.page_reruns import empty_page, rerun_ms
from benchmarks.serving.visitor import Visitor
from ndcore.bundles.bundle import Bundle
from ndcore.errors import BadRequestError
from ndcore.evolution import list_runs
from ndcore.steps import Step, no_step
from pages.ui.frame.page_list import DETECTOR, EVOLUTION, EXPLORER, LAB, PAGES

VISITORS = 50
RERUNS = 8
# Think time in seconds -> the most that the median and the 95th percentile may be, in ms.
LIMITS = {3.0: (60.0, 250.0), 1.0: (300.0, 1000.0)}
IDLE_LIMIT_MB = 1.0
SERVER_LIMIT_MB = 1300.0
RERUN_LIMIT_MS = 25.0
BETWEEN_S = 5.0


def run(bundle: Bundle, n: int | None = None, *, on_step: Step = no_step) -> dict[str, Any]:
    """Run the benchmark.

    Args:
        bundle: what the visitors look at.
        n: visitors (default 50).
        on_step: called with (what is being done, done, total).

    Raises:
        BadRequestError: no visitor, or the server does not start.
    """
    visitors = VISITORS if n is None else n
    if not 1 <= visitors <= 200:
        raise BadRequestError(f"the number of visitors must be 1 to 200, got {visitors}")
    pages = pages_of(bundle)
    on_step("every page again, nothing changed", 0, 0)
    rows = asyncio.run(rerun_rows(pages))
    on_step(f"{visitors} visitors", 0, 0)
    rows += asyncio.run(load_rows(bundle, pages, visitors, LIMITS, RERUNS))
    return {"name": "sessions", "machine": machine(), "bundle": bundle.name, "rows": rows}


def pages_of(bundle: Bundle) -> list[Page]:
    """Every page of the app, with links that a visitor follows; of Home the same again."""
    scene = choose_scene(bundle)
    base: dict[str, Any] = {"bundle": bundle.name}
    pair = base | ({"pair": scene.pair} if scene.pair else {})
    views = [pair | {"layers": scene.layers, "classes": pick} for pick in _picks(bundle)]
    run = (list_runs() or [""])[0]
    parts = [base | {"run": run, "part": part} for part in ("Network", "Layer")]
    known: dict[Any, list[dict[str, Any]]] = {
        LAB: [base, base | {"engine": "exhaustive"}, base | {"engine": "de"}],
        EXPLORER: views,
        DETECTOR: [pair, pair | {"alpha": "0.01"}],
        EVOLUTION: parts if run else [base],
    }
    names = {page: Path(page.path).stem.partition("_")[2] for page in PAGES}
    return [("", [base]), *((names[page], known.get(page, [base])) for page in PAGES)]


def _picks(bundle: Bundle) -> list[list[str]]:
    return [list(bundle.classes[at : at + 2]) for at in range(3)]


async def rerun_rows(pages: Sequence[Page]) -> list[Row]:
    """What every page takes of a server's processor when nothing changed; an empty one first."""
    with empty_page() as (address, pid):
        _, floor = await rerun_ms(address, pid, "", {})
    rows = [row("an empty page with the sidebar: again, nothing changed", floor, "ms of CPU")]
    with serving("Home.py") as (address, process):
        for name, links in pages:
            _, again = await rerun_ms(address, process.pid, name, links[0])
            words = f"{name or 'Home'}: again, nothing changed"
            rows.append(limited(words, again, "ms of CPU", RERUN_LIMIT_MS))
    return rows


async def load_rows(
    bundle: Bundle,
    pages: Sequence[Page],
    visitors: int,
    limits: dict[float, tuple[float, float]],
    reruns: int,
) -> list[Row]:
    """Serve the app, let visitors come once for each think time, and tell what they saw."""
    import psutil  # of requirements-dev.txt

    rows: list[Row] = []
    attack = {
        "bundle": bundle.name,
        "source": "samples" if bundle.name.startswith("cifar10") else "digits",
        "engine": "exhaustive",
        "pixels": "3",
    }
    attack["images"] = f"{attack['source']}:0-19"
    with serving("Home.py") as (address, process):
        server = psutil.Process(process.pid)
        await _opened_once(address, pages)
        for think_s, most in limits.items():
            before_mb = _memory_mb(server)
            meanwhile = Seen()
            attacker = asyncio.create_task(attacked_meanwhile(address, attack, meanwhile))
            await asyncio.sleep(BETWEEN_S)
            own, wall = time.process_time(), time.monotonic()
            seen = await visit(address, pages, visitors, reruns=reruns, think_s=think_s)
            busy = (time.process_time() - own) / (time.monotonic() - wall)
            memory_mb = _memory_mb(server)
            ended = attacker.done()
            attacker.cancel()
            with suppress(asyncio.CancelledError):
                await attacker
            words = f"{visitors} visitors, a click every {think_s:g} s"
            rows += seen_rows(words, seen, meanwhile, most)
            rows += [
                row(f"{words}: the visitors' own share of a core", busy, ""),
                row(f"{words}: attack ended before they left", float(ended), ""),
                limited(
                    f"{words}: memory of each",
                    (memory_mb - before_mb) / visitors,
                    "MB",
                    IDLE_LIMIT_MB,
                ),
                limited(f"{words}: memory of the server", memory_mb, "MB", SERVER_LIMIT_MB),
            ]
            await asyncio.sleep(BETWEEN_S)
    return rows


def seen_rows(words: str, seen: Seen, meanwhile: Seen, most: tuple[float, float]) -> list[Row]:
    """Waits of the visitors, and of who watches the attack."""
    rows = [
        limited(f"{words}: p{share}", _percentile_ms(seen.reruns, share), "ms", limit)
        for share, limit in zip((50, 95), most, strict=True)
    ]
    rows += [
        row(f"{words}: {page}, p{share}", _percentile_ms(each, share), "ms")
        for page, each in sorted(seen.again.items())
        for share in (50, 95)
    ]
    rows.append(row(f"{words}: first view, p95", _percentile_ms(seen.first, 95), "ms"))
    if meanwhile.polls:
        rows.append(
            row(f"{words}: look at the attack, p95", _percentile_ms(meanwhile.polls, 95), "ms")
        )
    errors = [*seen.errors, *meanwhile.errors]
    rows.append(row(f"{words}: errors", len(errors), "") | {"told": sorted(set(errors))[:5]})
    return rows


async def _opened_once(address: str, pages: Sequence[Page]) -> None:
    async with Visitor(address) as visitor:
        for page, links in pages:
            for link in links:
                await visitor.open(page, link)
                while visitor.timers:  # work that the first look began
                    await asyncio.sleep(0.5)
                    await visitor.poll()


def _percentile_ms(seconds: Sequence[float], share: int) -> float:
    return 1000 * float(np.percentile(seconds, share)) if seconds else float("nan")


def _memory_mb(process: Any) -> float:
    return float(process.memory_info().rss) / 2**20
