"""Arrays on disk under a stamp that says of which weights and images they are."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import UnreadableError
from ndcore.storage.arrays import MOST_BYTES, Arrays
from ndcore.storage.atomic import write_bytes


def save_stamped(path: Path, arrays: Mapping[str, NDArray[Any]], stamp: str) -> None:
    """Write arrays as compressed .npz, atomically."""
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, stamp=np.array(stamp), **arrays)
    write_bytes(path, out.getvalue())


def load_stamped(path: Path, stamp: str, most: int = MOST_BYTES) -> dict[str, NDArray[Any]] | None:
    """What `save_stamped` wrote under the same stamp; None when absent, damaged, larger than `most`
    bytes unpacked, or another's."""
    try:
        arrays = Arrays(path, most=most)
        if "stamp" not in arrays or str(arrays["stamp"]) != stamp:
            return None
        return {key: arrays[key] for key in arrays if key != "stamp"}
    except UnreadableError:
        return None


@dataclass(frozen=True)
class StampedRows:
    """Arrays with a row per image: kept in pieces, each under a stamp, and joined again."""

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """One after another."""
        names = [field.name for field in fields(cls)]
        return cls(**{name: np.concatenate([vars(part)[name] for part in parts]) for name in names})

    def save(self, path: Path, stamp: str) -> None:
        """See `save_stamped`."""
        save_stamped(path, vars(self), stamp)

    @classmethod
    def load(cls, path: Path, stamp: str) -> Self | None:
        """See `load_stamped`."""
        arrays = load_stamped(path, stamp)
        known = arrays is not None and {*arrays} == {field.name for field in fields(cls)}
        return cls(**arrays) if arrays is not None and known else None
