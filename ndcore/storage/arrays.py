"""Archives of arrays (.npz), of which nothing is unpacked before its kind and size are known."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.lib.format as npy
from numpy.typing import NDArray

from ndcore.errors import UnreadableError
from ndcore.storage.plain_files import plain_file

MOST_BYTES = 2 << 30  # of all arrays of a file, unpacked
MOST_ARRAYS = 100_000
NUMBERS = "biufUS"  # numpy's letters of what has a size and is no object
_HEADS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, RuntimeError)


@dataclass(frozen=True)
class Head:
    """What an array says of itself: shape, and numpy's type."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def bytes(self) -> int:
        """Unpacked."""
        return math.prod(self.shape) * self.dtype.itemsize

    def fits(self, shape: tuple[int | None, ...], kinds: str = NUMBERS) -> bool:
        """Whether it is of a shape, in which None is any length, and of one of numpy's kinds."""
        return (
            self.dtype.kind in kinds
            and len(self.shape) == len(shape)
            and all(want in (None, have) for want, have in zip(shape, self.shape, strict=True))
        )


class Arrays(Mapping[str, NDArray[Any]]):
    """The arrays of a file, each unpacked when it is asked for.

    Args:
        path: of the file.
        within: see `plain_file`.
        most: bytes that all of them may have, unpacked.

    Raises:
        UnreadableError: it is no archive, holds Python objects, or an array is of another size
            than it says or all are larger than `most`.
    """

    def __init__(self, path: Path, within: Path | None = None, most: int = MOST_BYTES) -> None:
        plain_file(path, within)
        self._path, self._most = path, most
        _ = self.heads

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        """Opened once: of many layers the list of what is inside is long."""
        return zipfile.ZipFile(self._path)

    @cached_property
    def heads(self) -> dict[str, Head]:
        """By name, from the first bytes of each alone."""
        try:
            entries = self._archive.infolist()
            if len(entries) > MOST_ARRAYS:
                raise ValueError("too many arrays")
            found = {
                entry.filename.removesuffix(".npy"): _head(self._archive, entry)
                for entry in entries
            }
        except _BROKEN as error:
            raise UnreadableError(f"{self._path.name} is no archive of arrays: {error}") from error
        if sum(head.bytes for head in found.values()) > self._most:
            raise UnreadableError(
                f"{self._path.name} holds more than {self._most / 2**30:.2g} GiB of arrays"
            )
        return found

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Unpacked.

        Raises:
            KeyError: there is none of this name.
            UnreadableError: it is damaged.
        """
        head = self.heads[name]
        try:
            with self._archive.open(f"{name}.npy") as file:
                found: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        except _BROKEN as error:
            raise UnreadableError(f"{self._path.name} is damaged at '{name}'") from error
        if (found.shape, found.dtype) != (head.shape, head.dtype):
            raise UnreadableError(f"{self._path.name} was changed while it was read")
        return found

    def unpack(self) -> None:
        """Unpack everything once and forget it, so that what is damaged is refused here.

        Raises:
            UnreadableError: an array is damaged.
        """
        for name in self.heads:
            try:
                with self._archive.open(f"{name}.npy") as file:
                    while file.read(1 << 20):
                        pass
            except _BROKEN as error:
                raise UnreadableError(f"{self._path.name} is damaged at '{name}'") from error

    def __contains__(self, name: object) -> bool:
        return name in self.heads

    def __iter__(self) -> Iterator[str]:
        return iter(self.heads)

    def __len__(self) -> int:
        return len(self.heads)


def _head(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Head:
    name = entry.filename.removesuffix(".npy")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"array '{name}' is packed in an unknown way")
    with archive.open(entry) as file:
        version = npy.read_magic(file)
        if version not in _HEADS:
            raise ValueError(f"array '{name}' is of an unknown version")
        shape, _, dtype = _HEADS[version](file)
        head = Head(shape, dtype)
        if dtype.kind not in NUMBERS:
            raise ValueError(f"array '{name}' holds Python objects, which are never read")
        if head.bytes + file.tell() != entry.file_size:
            raise ValueError(f"array '{name}' is of another size than it says")
    return head
