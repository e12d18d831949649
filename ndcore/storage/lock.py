"""One process at a time makes a thing of one name; a lock ends with the process that holds it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ndcore.errors import BadRequestError


@contextmanager
def only_one(path: Path, what: str) -> Iterator[None]:
    """Hold what is made at `path`, called `what` for people.

    Raises:
        BadRequestError: another process, or another job of this one, makes it now.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.parent / f".{path.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        told = f"{what} is being made by another process: wait until it has ended, or stop it"
        raise BadRequestError(told) from error
    try:
        yield
    finally:
        lock.release()
