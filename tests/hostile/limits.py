"""How long something took and how much memory at most, above what there was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MOST_MB = 300


@dataclass
class Cost:
    """Of a block, once it has ended: processor seconds of this process, and MB at its peak."""

    seconds: float = 0.0
    mb: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    forget_peak()
    cost, before, start = Cost(), memory_mb(), time.process_time()
    yield cost
    cost.seconds = time.process_time() - start
    cost.mb = peak_mb() - before


def forget_peak(pid: int | str = "self") -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory_mb(pid: int | str = "self") -> float:
    return _mb(pid, "VmRSS")


def peak_mb(pid: int | str = "self") -> float:
    """Since it was forgotten."""
    return _mb(pid, "VmHWM")


def _mb(pid: int | str, key: str) -> float:
    rows = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(row.split()[1]) for row in rows if row.startswith(f"{key}:")) / 1024
