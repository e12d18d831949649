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

__all__ = ["cache_dir", "replace_folder", "write_bytes", "write_json"]


def cache_dir() -> Path:
    """The folder of bundles and training runs: `$ND_CACHE`, else `cache/` beside the package."""
    named = os.environ.get("ND_CACHE")
    return Path(named) if named else Path(__file__).resolve().parent.parent / "cache"


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
    write_bytes(path, (json.dumps(document, indent=1, sort_keys=False) + "\n").encode())


@contextmanager
def replace_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` that takes its place when the block ends well.

    A crash leaves `path` as it was; the abandoned folder's name starts with a dot and is removed
    by the next call for the same `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    for abandoned in path.parent.glob(f".{path.name}.building-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    building = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.building-"))
    os.chmod(building, 0o755)
    try:
        yield building
        retired = path.parent / f".{path.name}.building-old"
        if path.exists():
            os.replace(path, retired)
        os.replace(building, path)
        shutil.rmtree(retired, ignore_errors=True)
    except BaseException:
        shutil.rmtree(building, ignore_errors=True)
        raise
