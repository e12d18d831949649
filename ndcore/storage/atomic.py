"""Writes that are either whole or not there, and the folder they go to."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to a temporary file beside `path`, flush it to disk, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_json(path: Path, document: Any) -> None:
    """Write `document` as indented JSON, atomically."""
    write_bytes(path, json_bytes(document))


def json_bytes(document: Any) -> bytes:
    """Indented JSON."""
    return (json.dumps(document, indent=1, sort_keys=False) + "\n").encode()


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place when the block ends well.

    A crash leaves `path` as it was. What dead processes left half made is removed by the next
    call for the same `path`; its name starts with a dot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    retired = path.parent / f".{path.name}.retired"
    if retired.exists() and not path.exists():  # killed between the two renames below
        os.replace(retired, path)
    for abandoned in path.parent.glob(f".{path.name}.building-*"):
        if not _alive(abandoned.name.split("-")[-2]):
            shutil.rmtree(abandoned, ignore_errors=True)
    prefix = f".{path.name}.building-{os.getpid()}-"
    building = Path(tempfile.mkdtemp(dir=path.parent, prefix=prefix))
    os.chmod(building, 0o755)
    try:
        yield building
        shutil.rmtree(retired, ignore_errors=True)
        if path.exists():
            os.replace(path, retired)
        os.replace(building, path)
        shutil.rmtree(retired, ignore_errors=True)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
