"""A file of stored activations: NumPy's .npz, of which nothing is unpickled.

`labels` (N,) and `logits` or `probabilities` (N, classes) are needed; `classes` (names) and
`images`, uint8 (N, H, W, C), may be there; every other array is a layer, (N, units) or (N, units,
positions, ...), in the order of the file.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import DataError, UnreadableError
from ndcore.storage.arrays import Arrays, Head
from ndcore.storage.plain_files import sha256_of

SUFFIX = ".npz"
LARGEST = 4 * 2**30  # bytes of a file's arrays, all of which are held
ABOUT = ("labels", "logits", "probabilities", "classes", "images")
ANYWHERE = Path("/")
PATCH = (1, 1, 3)  # of what stands for an image where the file has none
WAY = "see `build --activations` in the README"


@dataclass(frozen=True)
class StoredActivations:
    """What a network said of N images.

    Attributes:
        path: the file.
        classes: names.
        labels: int64 (N,), true classes.
        logits: float32 (N, classes).
        layers: name -> float32 (N, units) or (N, units, rows, columns).
        images: uint8 (N, H, W, C); where the file has none, a patch of another colour for each.
        pictured: whether the file has images.
        digest: SHA-256 (hex) of the file.
    """

    path: Path
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    layers: dict[str, NDArray[np.float32]]
    images: NDArray[np.uint8]
    pictured: bool
    digest: str

    def __len__(self) -> int:
        return len(self.labels)


def read_activations(path: str | Path) -> StoredActivations:
    """Read a file of stored activations; the last two stay in memory.

    Raises:
        DataError: it is missing, too large, or not of this form; the sentence says what to change.
    """
    place = Path(path)
    try:
        about = place.stat()
    except OSError as error:
        raise DataError(f"file of activations '{path}' does not exist") from error
    return _read(place, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, _changed_ns: int, _size: int) -> StoredActivations:
    try:
        # The owner's own file: a link may lead to it, and what it may hold is said below.
        file = Arrays(path, within=ANYWHERE, most=sys.maxsize)
        _require_fitting(path, file.heads)
        arrays = dict(file)
        digest = sha256_of(path, ANYWHERE)
    except UnreadableError as error:
        raise DataError(f"'{path}' is no file of arrays that can be read: {error}") from error
    labels = arrays["labels"].astype(np.int64)
    logits = _logits(path, arrays)
    images = arrays.get("images")
    names = arrays.get("classes")
    classes = tuple(map(str, range(logits.shape[1]) if names is None else names.tolist()))
    if len(classes) != logits.shape[1] or len({*classes}) < len(classes):
        raise DataError(f"'{path}' needs {logits.shape[1]} different names in `classes`; {WAY}")
    if not ((labels >= 0) & (labels < len(classes))).all():
        raise DataError(f"`labels` of '{path}' must be 0 to {len(classes) - 1}; {WAY}")
    return StoredActivations(
        path=path,
        classes=classes,
        labels=labels,
        logits=logits,
        layers={name: _units(values) for name, values in arrays.items() if name not in ABOUT},
        images=_patches(len(labels)) if images is None else images.reshape(*images.shape[:3], -1),
        pictured=images is not None,
        digest=digest,
    )


def _require_fitting(path: Path, heads: dict[str, Head]) -> None:
    if "labels" not in heads or not {"logits", "probabilities"} & {*heads}:
        raise DataError(
            f"'{path}' needs the arrays `labels` (N,) and `logits` or `probabilities` (N, classes),"
            f" but has {', '.join(heads) or 'none'}; {WAY}"
        )
    # Layers are held as float32, whatever they are stored as.
    held = sum(
        math.prod(head.shape) * max(0 if name in ABOUT else 4, head.dtype.itemsize)
        for name, head in heads.items()
    )
    if held > LARGEST:
        raise DataError(
            f"'{path}' holds {held / 2**30:.1f} GiB, more than {LARGEST / 2**30:.0f}: store the "
            "mean or the largest value over positions, fewer layers or fewer images"
        )
    if not any(name not in ABOUT for name in heads):
        raise DataError(f"'{path}' has no layer: every array but {', '.join(ABOUT)} is one")
    images = heads["labels"].shape
    for name, head in heads.items():
        shape, kind = head.shape, head.dtype
        fits, told = _form(name, shape, kind)
        if name != "classes" and shape[:1] != images:
            raise DataError(f"'{path}' has {images[0]} labels but {name} {shape}; {WAY}")
        if not fits:
            raise DataError(f"array '{name}' of '{path}' is {kind} {shape}, not {told}")


def _form(name: str, shape: Sequence[int], kind: np.dtype[Any]) -> tuple[bool, str]:
    """Whether an array is what its name says, and what that is."""
    depth = len(shape)
    if name == "labels":
        return depth == 1 and kind.kind in "iu", "integers (N,)"
    if name == "classes":
        return depth == 1 and kind.kind == "U", "names as text"
    if name == "images":
        right = depth == 3 or (depth == 4 and shape[3] in (1, 3))
        return right and kind == np.uint8, "uint8 (N, H, W, C) with 1 or 3 channels"
    if name in ("logits", "probabilities"):
        return depth == 2 and shape[1] > 1 and kind.kind == "f", "floats (N, classes)"
    usable = bool(name) and not any(sign in name for sign in "#@/\\") and ".." not in f".{name}."
    return usable and depth > 1 and kind.kind in "fiu", "a layer: numbers (N, units, positions ...)"


def _logits(path: Path, arrays: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    if "logits" in arrays:
        found = arrays["logits"].astype(np.float32)
    else:
        shares = arrays["probabilities"].astype(np.float64)
        if not (shares >= 0).all() or not np.allclose(shares.sum(1), 1, atol=1e-2):
            raise DataError(f"`probabilities` of '{path}' do not add up to 1: are they `logits`?")
        found = np.log(np.maximum(shares, np.finfo(np.float64).tiny)).astype(np.float32)
    if not np.isfinite(found).all():
        raise DataError(f"'{path}' has answers that are no numbers, for which there is no class")
    return found


def _units(values: NDArray[np.generic]) -> NDArray[np.float32]:
    """(N, units), or (N, units, rows, columns) where there are positions."""
    found = values.astype(np.float32, copy=False)
    if found.ndim == 2:
        return found
    return found.reshape(*found.shape[:3], -1)


def _patches(count: int) -> NDArray[np.uint8]:
    """A colour of its own for each, well apart for neighbours: (N, 1, 1, 3)."""
    # An odd factor permutes all colours; black, which stands for no image, is left out.
    codes = (np.arange(1, count + 1, dtype=np.int64) * 10_368_889) % 2**24
    return (
        np.stack([codes >> 16, codes >> 8 & 255, codes & 255], 1)
        .astype(np.uint8)
        .reshape(-1, *PATCH)
    )
