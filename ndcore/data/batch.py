"""Some images with their names and labels: what is chosen, judged, attacked or studied."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ndcore.data.sources import ImageSource

UNKNOWN = -1


@dataclass(frozen=True)
class ImageBatch:
    """N images. Where more is known of each, a class extends it with tuples or arrays of N.

    Attributes:
        ids: names; of a source, ids that can be looked up.
        labels: int64 (N,), true classes or `UNKNOWN`.
        pixels: uint8 (N, H, W, C).
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    pixels: NDArray[np.uint8]

    @classmethod
    def of(cls, source: ImageSource, members: Sequence[int], **more: Any) -> Self:
        """The images of a source at `members`, and what an extended class knows besides."""
        ids = tuple(source.ids[i] for i in members)
        return cls(ids=ids, labels=source.labels[members], pixels=source.pixels(members), **more)

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, rows: slice | Sequence[int] | NDArray[Any]) -> Self:
        """The images at `rows`: a slice, positions or a mask."""
        chosen = np.arange(len(self))[rows]
        return replace(self, **{name: _at(column, chosen) for name, column in self._columns()})

    def plus(self, other: Self) -> Self:
        """These, then those."""
        joined: dict[str, Any] = {}
        for name, column in self._columns():
            more = getattr(other, name)
            both = column + more if isinstance(column, tuple) else np.concatenate([column, more])
            joined[name] = both
        return replace(self, **joined)

    def _columns(self) -> list[tuple[str, Any]]:
        values = [(field.name, getattr(self, field.name)) for field in fields(self)]
        return [(name, value) for name, value in values if isinstance(value, tuple | np.ndarray)]


@dataclass(frozen=True)
class Choice(ImageBatch):
    """Images that somebody chose (an upload has the id ""), and names to show."""

    names: tuple[str, ...]


def _at(column: Any, rows: NDArray[np.int64]) -> Any:
    return tuple(column[i] for i in rows) if isinstance(column, tuple) else column[rows]
