"""What reading an image will cost, by its head: refused before anything large is unpacked.

A file of some kB may stand for gigabytes of pixels, or for minutes of work: empty scans of a
progressive JPEG walk over every block, a PNG may have a million empty chunks.
"""

from __future__ import annotations

import re
import struct
from itertools import islice

from PIL import Image

from ndcore.errors import BadImageError

MAX_PIXELS = 40_000_000
MAX_SIDE = 250_000
MOST_BYTES = 250_000_000  # of memory at its peak
MOST_WORK = 10**9  # scans of a JPEG times its pixels; ten scans of the largest are not half of it
FEW_PARTS = 5000  # chunks of a PNG or segments of a JPEG, and one more for each kB
MOST_RUNS = 1 << 20  # bytes of a BMP in runs, which Pillow reads one by one in Python
# Bytes a pixel takes in Pillow.
HELD = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}
WEBP_EXTRA = 12  # a canvas for this frame and the last, and a copy
_SCAN = b"\xff\xda"
_SEGMENT = re.compile(rb"\xff[\xc0-\xcf\xdb-\xfe]")


def require_few_parts(data: bytes, name: str) -> None:
    """Refuse a file of very many small parts, or of runs that take long.

    Raises:
        BadImageError: it is such.
    """
    most = FEW_PARTS + len(data) // 1024
    if data.startswith(b"\x89PNG"):
        parts = _chunks(data, most)
    elif data.startswith(b"\xff\xd8"):
        parts = sum(1 for _ in islice(_SEGMENT.finditer(data), most + 1))
    elif data.startswith(b"BM") and len(data) > MOST_RUNS and _in_runs(data):
        raise BadImageError(f"{name} is too large for a BMP in runs: over {MOST_RUNS >> 20} MB")
    else:
        return
    if parts > most:
        raise BadImageError(f"{name} is made of too many parts: over {most:,}")


def require_bounded(image: Image.Image, data: bytes, turned: bool, name: str) -> int:
    """How much smaller, 1, 2, 4 or 8 times, an image is to be read so that it stays in bounds.

    Args:
        image: opened, but not loaded.
        data: of the file.
        turned: whether it will be turned upright.
        name: what errors call it.

    Raises:
        BadImageError: it is too large, or takes too much work.
    """
    width, height = image.size
    pixels = width * height
    if pixels > MAX_PIXELS or max(image.size) > MAX_SIDE:
        limit = f"{MAX_PIXELS:,} pixels" if pixels > MAX_PIXELS else f"{MAX_SIDE:,} a side"
        raise BadImageError(f"{name} is too large: {width}x{height} is over {limit}")
    held = HELD.get(image.mode, 4)
    # Beside it what is turned or has lost its alpha, or more than 8 bits.
    flat = 4 if turned or image.mode != "RGB" or "transparency" in image.info else 0
    if image.format == "JPEG":
        return _jpeg(image, data, held + flat, name)
    if image.format == "WEBP":
        held += WEBP_EXTRA
    elif image.format == "PNG" and data[24] == 16:
        held, flat = 8, 4
    if pixels * (held + flat) > MOST_BYTES:
        most = MOST_BYTES // (held + flat)
        raise BadImageError(
            f"{name} is too large: {width}x{height} is over {most:,} pixels, the most that can be "
            f"read of a {image.format} file of this kind"
        )
    return 1


def _jpeg(image: Image.Image, data: bytes, held: int, name: str) -> int:
    pixels, scans = image.width * image.height, data.count(_SCAN)
    if scans * pixels > MOST_WORK:
        raise BadImageError(
            f"{name} takes too much work: {scans:,} scans of {image.width}x{image.height} pixels"
        )
    # With several scans the whole image is kept as coefficients of two bytes.
    kept = 2 * len(image.getbands()) if scans > 1 else 0
    for smaller in (1, 2, 4, 8):
        if pixels * (kept + held / smaller**2) <= MOST_BYTES:
            return smaller
    raise BadImageError(f"{name} is too large: {image.width}x{image.height} in {scans:,} scans")


def _chunks(data: bytes, most: int) -> int:
    """Chunks of a PNG, at least as far as `most`."""
    at, found = 8, 0
    while at + 8 <= len(data) and found <= most:
        at += 12 + struct.unpack_from(">I", data, at)[0]
        found += 1
    return found


def _in_runs(data: bytes) -> bool:
    return len(data) > 34 and struct.unpack_from("<I", data, 30)[0] in (1, 2)
