"""Results of an attack on disk as they come, so that one that was interrupted goes on."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ndcore.attacks.result import AttackResult
from ndcore.storage.atomic import write_bytes
from ndcore.storage.tree import TreeError, decode, encode


class KeptAttacks:
    """A folder of results by position, for as long as the attack is not through.

    Args:
        folder: need not exist; results of anything else that was asked are removed from it.
        asked: what says that it is the same attack on the same images.

    Attributes:
        found: position of the image -> its result.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, asked: Sequence[Any]) -> None:
        self._folder = folder
        self.found: dict[int, AttackResult] = {}
        about = encode(tuple(asked))
        if _read(folder / "about") != about:
            shutil.rmtree(folder, ignore_errors=True)
            write_bytes(folder / "about", about)
        for path in sorted(folder.glob("[0-9]*")):
            try:
                self.found[int(path.name)] = decode(path.read_bytes())
            except (ValueError, TreeError):  # half written, or not ours
                path.unlink()

    def left(self, images: int) -> list[int]:
        """Positions without a result."""
        return [at for at in range(images) if at not in self.found]

    def add(self, at: int, result: AttackResult) -> None:
        """Keep another one, at once; but not what was stopped before its end.

        Raises:
            OSError: it cannot be written.
        """
        if not result.stopped:
            self.found[at] = result
            write_bytes(self._folder / f"{at:06}", encode(result))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
