"""How long an attack goes on after it was told to stop, with every core busy otherwise."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from benchmarks.attacking.targets import Targets
from benchmarks.report import Row, limited
from ndcore.attacks import AttackConfig

TRIES = 20
WAYS = (
    AttackConfig("exhaustive"),
    AttackConfig("de"),
    AttackConfig("de", pixels=3),
    AttackConfig("cw"),
)
EARLIEST_S, LATEST_S = 0.1, 0.6  # after the start
LIMIT_S = 1.0


def stop_row(targets: Targets) -> Row:
    """The longest of `TRIES` waits, on one-pixel, many-pixel and gradient attacks in turn."""
    rng = np.random.default_rng(0)
    waits = []
    with _busy():
        for attempt in range(TRIES):
            moment = time.monotonic() + rng.uniform(EARLIEST_S, LATEST_S)
            targets.attack(
                WAYS[attempt % len(WAYS)],
                should_stop=lambda moment=moment: time.monotonic() >= moment,
            )
            waits.append(time.monotonic() - moment)
    return limited(f"longest of {TRIES} stops, all cores busy", max(waits), "s", LIMIT_S)


@contextlib.contextmanager
def _busy() -> Iterator[None]:
    """One process per core that does nothing but count."""
    loops = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"])
        for _ in range(os.cpu_count() or 1)
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()
