"""Many images to judge: drawn from a source, or unpacked from uploaded files."""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.apart.process import decode_apart
from ndcore.data.batch import UNKNOWN, ImageBatch
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import BadImageError, BadRequestError

MOST = 1000  # images judged at a time
MOST_BYTES = 10 * 2**20  # of one file, unpacked
MOST_UNPACKED = 200 * 2**20  # of an archive
MOST_ENTRIES = 20_000  # of an archive
MOST_SECONDS = 60
ENTRY = b"PK\x01\x02"  # begins each entry of an archive's list
BROKEN = (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError, OSError, EOFError)
KINDS = {"benign": 0, "attacked": 1}
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


@dataclass(frozen=True)
class Images(ImageBatch):
    """Images to judge and what is known of them.

    Attributes:
        sets: what each belongs to.
        attacked: int8 (N,): 1 attacked, 0 benign, `UNKNOWN`.
    """

    sets: tuple[str, ...]
    attacked: NDArray[np.int8]


def draw(bundle: Bundle, source: ImageSource, n: int, seed: int = 0) -> Images:
    """Benign images of a source that neither trained nor calibrated anything.

    They are of the evaluation split where the source has it, else of its other parts; a source that
    knows neither, such as the samples, is taken whole.

    Args:
        bundle: whose splits count.
        source: of the bundle's shape and classes.
        n: how many at most.
        seed: of the draw.

    Raises:
        BadRequestError: n is out of range.
    """
    if not 1 <= n <= MOST:
        raise BadRequestError(f"the number of images must lie between 1 and {MOST}, got {n}")
    members = positions(source, bundle.splits["evaluation"])
    members = members or [i for i, part in enumerate(source.parts) if part in ("val", "test")]
    members = members or list(range(len(source)))
    chosen = sorted(np.random.default_rng(seed).permutation(members)[:n].tolist())
    n = len(chosen)
    return Images.of(source, chosen, sets=("benign",) * n, attacked=np.zeros(n, np.int8))


def unpack(files: Iterable[tuple[str, bytes]], bundle: Bundle) -> tuple[Images | None, list[str]]:
    """Images in files and in ZIP archives of files.

    A folder named as a class tells the true class; a name that ends in `-benign` or `-attacked`, as
    the Attack Lab writes them, tells which it is.

    Args:
        files: names and bytes.
        bundle: with the shape that images are brought to.

    Returns:
        The images, None without any; and a sentence for each file that is left out.
    """
    rows: list[tuple[str, int, int, NDArray[np.uint8]]] = []
    problems: list[str] = []
    began = time.monotonic()
    for name, data in _files(files, problems):
        if len(rows) == MOST:
            problems.append(f"only the first {MOST:,} images are taken")
            break
        if time.monotonic() - began > MOST_SECONDS:
            problems.append(f"what was not read within {MOST_SECONDS} s")
            break
        try:
            pixels = decode_apart(data, bundle.shape, name, bundle.intake.crop).pixels
        except BadImageError as error:
            problems.append(str(error))
            continue
        path = PurePosixPath(name.replace("\\", "/"))
        kind = KINDS.get(path.stem.rpartition("-")[2], UNKNOWN) if "-" in path.stem else UNKNOWN
        parent = path.parent.name
        label = bundle.classes.index(parent) if parent in bundle.classes else UNKNOWN
        rows.append((name, kind, label, pixels))
    if not rows:
        return None, problems
    words = {kind: word for word, kind in KINDS.items()} | {UNKNOWN: "upload"}
    return Images(
        ids=tuple(row[0] for row in rows),
        sets=tuple(words[row[1]] for row in rows),
        attacked=np.array([row[1] for row in rows], np.int8),
        labels=np.array([row[2] for row in rows], np.int64),
        pixels=np.stack([row[3] for row in rows]),
    ), problems


def _files(files: Iterable[tuple[str, bytes]], problems: list[str]) -> Iterator[tuple[str, bytes]]:
    """The files, and in place of each archive the images in it."""
    for name, data in files:
        if not zipfile.is_zipfile(io.BytesIO(data)):
            yield name, data
            continue
        if data.count(ENTRY) > MOST_ENTRIES:
            problems.append(f"the archive {name} has more than {MOST_ENTRIES:,} entries")
            continue
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                yield from _members(archive, name, problems)
        except BROKEN as error:
            problems.append(f"the archive {name} is damaged or locked: {_said(error)}")


def _members(
    archive: zipfile.ZipFile, name: str, problems: list[str]
) -> Iterator[tuple[str, bytes]]:
    """The images in an archive, as long as they stay in bounds."""
    left = MOST_UNPACKED
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if member.is_dir() or hidden or path.suffix.lower() not in SUFFIXES:
            continue
        if member.file_size > MOST_BYTES:
            problems.append(f"{path.name} in {name} is larger than 10 MB")
            continue
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problems.append(f"{path.name} in {name} is packed in an unknown way")
            continue
        left -= member.file_size
        if left < 0:
            problems.append(f"what is beyond {MOST_UNPACKED >> 20} MB in the archive {name}")
            return
        yield member.filename, archive.read(member)


def _said(error: Any) -> str:
    return " ".join(str(error).split()) or type(error).__name__
