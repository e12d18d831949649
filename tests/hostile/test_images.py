"""Images from strangers: each is read or refused by one sentence, in bounded memory and time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ndcore.data.apart.process import MOST_SECONDS, Reader
from ndcore.errors import BadImageError
from tests.hostile.image_kinds import corpus, wholes
from tests.hostile.limits import MOST_MB, forget_peak, memory_mb, peak_mb
from tests.hostile.short import some

pytestmark = pytest.mark.hostile

SHAPE = (32, 32, 3)
TICKS = os.sysconf("SC_CLK_TCK")


def processor_seconds(pid: int) -> float:
    rows = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(rows[11]) + int(rows[12])) / TICKS


READ = (*wholes(), "large enough.webp", "6320 rgb.png", "large.jpg", "3000 la 16.png")


def complaint(reader: Reader, name: str, content: bytes) -> str:
    """What is wrong with how an image is read or refused; "" for nothing."""
    if reader.pid is None:
        reader.decode(wholes()["rgb.png"], SHAPE, "whole", None)
    pid = reader.pid
    assert pid is not None
    before, told = processor_seconds(pid), ""
    forget_peak(pid)
    start_mb = memory_mb(pid)
    try:
        found = reader.decode(content, SHAPE, name, None)
        assert found.pixels.shape == SHAPE
    except BadImageError as error:
        told = str(error)
        if name in READ:
            return told
    if reader.pid != pid:
        return f"ended the process: {told}"
    if told and (not told.startswith(name) or "\n" in told):
        return f"is told so: {told}"
    seconds, mb = processor_seconds(pid) - before, peak_mb(pid) - start_mb
    return "" if seconds <= MOST_SECONDS and mb <= MOST_MB else f"{seconds:.1f} s, {mb:.0f} MB"


def test_every_image_is_read_or_refused_in_bounds() -> None:
    reader, files = Reader(), corpus()
    assert len(files) >= 365
    try:
        found = {name: complaint(reader, name, content) for name, content in some(files.items())}
    finally:
        reader.close()
    assert not {name: told for name, told in found.items() if told}
