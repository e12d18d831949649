"""Files that others may have made: ordinary ones, of a bounded size, inside their folder."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from pathlib import Path
from typing import Any

from ndcore.errors import UnreadableError

MOST_JSON = 256 << 20  # bytes


def plain_file(path: Path, within: Path | None = None) -> os.stat_result:
    """What is known of a file that may be opened.

    Args:
        path: of the file.
        within: the folder that a link must not lead out of; default: the file's own.

    Raises:
        UnreadableError: it is missing, no ordinary file, such as a pipe, whose reading would never
            end, or a link out of the folder. The sentence names the file, not the folder.
    """
    folder = path.parent if within is None else within
    name = _name(path, folder)
    try:
        found = path.stat()
        inside = Path(os.path.realpath(path)).is_relative_to(os.path.realpath(folder))
    except (OSError, ValueError) as error:
        told = getattr(error, "strerror", None) or "no such file"
        raise UnreadableError(f"{name} cannot be read: {told}") from error
    if not inside:
        raise UnreadableError(f"{name} is a link that leads out of its folder")
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableError(f"{name} is no file")
    return found


def read_json(path: Path, most: int = MOST_JSON, within: Path | None = None) -> Any:
    """The document in a file.

    Args:
        path: of the file.
        most: bytes that it may have.
        within: see `plain_file`.

    Raises:
        UnreadableError: see `plain_file`; or it is too large, no JSON, or JSON too deep to read.
    """
    name = _name(path, path.parent if within is None else within)
    size = plain_file(path, within).st_size
    if size > most:
        raise UnreadableError(f"{name} is larger than {most >> 20} MB")
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableError(f"{name} is no JSON that can be read") from error


def sha256_of(path: Path, within: Path | None = None) -> str:
    """Checksum (hex) of a file.

    Raises:
        UnreadableError: see `plain_file`.
    """
    plain_file(path, within)
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableError(f"{path.name} cannot be read: {error.strerror}") from error


def _name(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name
