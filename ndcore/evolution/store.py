"""The recording of a run on disk.

`<run>/evolution/` holds `record.json` (what is recorded and how), `pool.npz` (keys and labels of
the images that top patches were looked for in), `epoch-001.npz`, ... (metrics and curves),
`epoch-000.npz` (metrics of the untrained network; older recordings lack it),
`detail-001.npz`, ... (class samples and top patches of the chosen epochs) and, in the end,
`averages-045.npz` (the average of each unit's top patches at the last epoch) and `result.json`;
`facets-32-045.npz` (what the facets of layer 32 show) where `evolve --facets` was asked for it.
`checksums.json` has those of all the others.
There is no image in it. Every file is written whole or not at all, and an epoch
has one name, so that an epoch that is repeated after a kill takes its own place.
`<run>/snapshots/` beside it holds the weights of the chosen epochs, for further measurements; it
may be deleted.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import RunError, UnreadableError
from ndcore.storage.arrays import Arrays as Archive
from ndcore.storage.atomic import json_bytes, write_bytes, write_json
from ndcore.storage.plain_files import read_json, sha256_of
from ndcore.storage.schema import HASH, many, require, table

SCHEMA = 1
FOLDER = "evolution"
SNAPSHOTS = "snapshots"
RECORD = "record.json"
RESULT = "result.json"
SUMS = "checksums.json"
MOST_BYTES = 512 << 20  # of a file's arrays, unpacked
MOST_JSON = 16 << 20
VALUES, TEXTS = "biuf", "U"  # numpy's letters

Arrays = dict[str, NDArray[Any]]


def epoch_file(folder: Path, what: str, epoch: int) -> Path:
    """The file of an epoch; `what` is `epoch` or `detail`."""
    return folder / f"{what}-{epoch:03d}.npz"


def snapshot_file(folder: Path, epoch: int) -> Path:
    """The weights of an epoch, beside the recording in `folder`; float16 safetensors."""
    return folder.parent / SNAPSHOTS / f"epoch-{epoch:03d}.safetensors"


def epochs_in(folder: Path, what: str) -> list[int]:
    """Epochs that have a file, in order."""
    names = (re.fullmatch(rf"{what}-(\d+)\.npz", path.name) for path in folder.iterdir())
    return sorted(int(name[1]) for name in names if name)


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write compressed arrays, atomically, and keep their checksum."""
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, **arrays)
    _write(path, out.getvalue())


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write a JSON object, atomically, and keep its checksum."""
    _write(path, json_bytes(document))


def copy_whole(path: Path, folder: Path) -> None:
    """Copy a file of a recording into another recording, if it is as it was written.

    Raises:
        RunError: it is missing or damaged.
    """
    with _whole(path):
        data = path.read_bytes()
    _write(folder / path.name, data)


def seal(folder: Path) -> None:
    """Take the checksums of all files of a recording as they are now."""
    files = sorted(path for path in folder.iterdir() if path.name != SUMS)
    write_json(folder / SUMS, {path.name: [sha256_of(path)] for path in files if path.is_file()})


def read_arrays(path: Path, shapes: dict[str, tuple[int | None, ...]]) -> Arrays:
    """Read the arrays named in `shapes`, whose None stands for any length.

    Raises:
        RunError: the file is missing or damaged.
    """
    with _whole(path):
        file = Archive(path, most=MOST_BYTES)
        for name, shape in shapes.items():
            head = file.heads.get(name)
            if head is None or not head.fits(shape, TEXTS if name == "keys" else VALUES):
                raise RunError(f"the recording is damaged: {path} does not fit its {RECORD}")
        return {name: file[name] for name in shapes}


def read_document(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        RunError: the file is missing or damaged.
    """
    with _whole(path):
        document = read_json(path, MOST_JSON)
    if not isinstance(document, dict):
        raise RunError(f"the recording is damaged: {path} cannot be read")
    return document


def _write(path: Path, data: bytes) -> None:
    """While a file is written both its checksums hold, so that a kill harms nothing."""
    known = dict(_sums(path.parent))
    new = hashlib.sha256(data).hexdigest()
    _write_sums(path.parent, known | {path.name: [*known.get(path.name, []), new][-2:]})
    write_bytes(path, data)
    _write_sums(path.parent, known | {path.name: [new]})


def _write_sums(folder: Path, sums: dict[str, list[str]]) -> None:
    """In the order of names, so that a run that was killed ends with the same bytes."""
    write_json(folder / SUMS, dict(sorted(sums.items())))


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """A file is as it was written, though older recordings have no checksums; else one sentence."""
    try:
        known = _sums(path.parent).get(path.name)
        if known is not None and sha256_of(path) not in known:
            raise UnreadableError(f"{path.name} does not match its checksum")
        yield
    except (UnreadableError, OSError) as error:
        raise RunError(f"the recording is damaged: {path} cannot be read ({error})") from error


def _sums(folder: Path) -> dict[str, list[str]]:
    place = folder / SUMS
    try:
        about = place.lstat()
    except OSError:
        return {}
    return _read_sums(place, (about.st_ino, about.st_mtime_ns, about.st_size))


@lru_cache(maxsize=32)
def _read_sums(place: Path, _state: tuple[int, int, int]) -> dict[str, list[str]]:
    found = read_json(place, MOST_JSON)
    require(table(many(HASH, 1, 2)), found, SUMS)
    return dict(found)
