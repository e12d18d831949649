"""Arrays on disk under a stamp that says of which weights and images they are."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.storage.atomic import write_bytes

__all__ = ["load_stamped", "save_stamped"]


def save_stamped(path: Path, arrays: Mapping[str, NDArray[Any]], stamp: str) -> None:
    """Write arrays as compressed .npz, atomically."""
    out = io.BytesIO()
    np.savez_compressed(out, allow_pickle=False, stamp=np.array(stamp), **arrays)
    write_bytes(path, out.getvalue())


def load_stamped(path: Path, stamp: str) -> dict[str, NDArray[Any]] | None:
    """What `save_stamped` wrote under the same stamp; None when absent, damaged or another's."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
            if str(arrays["stamp"]) != stamp:
                return None
            return {key: arrays[key] for key in arrays.files if key != "stamp"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
