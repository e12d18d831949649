"""What an image source is: ids, labels and 8-bit pixels, read on demand."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray

from ndcore.data.decode import FILE_FORMATS, decode
from ndcore.data.folder.intake import USUAL, Intake
from ndcore.errors import DataError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageSource:
    """Images of one shape, read on demand.

    Attributes:
        name: `samples`, `cifar10`, `digits` or `folder`.
        classes: class names in label order.
        ids: one id per image (see SPEC section 0).
        labels: int64 (N,).
        parts: `train`, `val` or `test` per image, or "" where the source does not say.
        lossless: bool (N,): the pixels never went through a lossy codec, as far as the file tells.
        shape: (H, W, C) of every image that `pixels` returns.
        read: position -> pixels uint8 (H, W, C).
        root: folder, or file of stored activations, on disk, or "".
        absent: those of its classes that a model tells apart and no image here is of.
        intake: how its files are taken in.
        left_out: a sentence, without its full stop, for each kind of thing in its folder that is
            no image of it.
    """

    name: str
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    parts: tuple[str, ...]
    lossless: NDArray[np.bool_]
    shape: tuple[int, int, int]
    read: Callable[[int], Pixels]
    root: str = ""
    absent: tuple[str, ...] = ()
    intake: Intake = USUAL
    left_out: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.ids)

    def pixels(self, indices: Sequence[int] | NDArray[np.integer]) -> Pixels:
        """Pixels uint8 (n, H, W, C) at the given positions.

        Raises:
            DataError: an image file cannot be read.
        """
        positions = [int(index) for index in indices]
        if self.root and len(positions) > 64:
            images = Parallel(2, prefer="threads")(delayed(self.read)(at) for at in positions)
        else:
            images = [self.read(position) for position in positions]
        return np.stack(images) if images else np.zeros((0, *self.shape), np.uint8)

    def index(self, image_id: str) -> int:
        """Position of an id or a key.

        Raises:
            DataError: this source has no such image.
        """
        if image_id not in self.places:
            raise DataError(f"source '{self.name}' has no image '{image_id}'")
        return self.places[image_id]

    @cached_property
    def places(self) -> dict[str, int]:
        """Position of every id, and of every key that is no id."""
        keyed = {key: at for at, key in enumerate(self.keys())}
        return keyed | {image_id: at for at, image_id in enumerate(self.ids)}

    def keys(self) -> tuple[str, ...]:
        """A name per image that is the same in every copy of a data set.

        CIFAR-10 in torchvision's files and as folders share `train/cat/0105` = the 106th cat of
        the training set; elsewhere it is the id, without its suffix where that is enough.
        """
        return self._keys

    @cached_property
    def _keys(self) -> tuple[str, ...]:
        if self.name != "cifar10":
            stems = [os.path.splitext(image_id)[0] for image_id in self.ids]
            taken = Counter(stems) + Counter(self.ids)
            return tuple(
                stem if taken[stem] == 1 or stem == image_id else image_id
                for stem, image_id in zip(stems, self.ids, strict=True)
            )
        seen: dict[tuple[str, int], int] = {}
        keys = []
        for part, label in zip(self.parts, self.labels.tolist(), strict=True):
            rank = seen.get((part, label), 0)
            seen[part, label] = rank + 1
            keys.append(f"{part}/{self.classes[label]}/{rank:04d}")
        return tuple(keys)


def read_image(
    path: Path,
    shape: tuple[int, int, int] | None,
    crop: float | None = None,
    name: str = "",
) -> Pixels:
    """Pixels of an image file, brought to `shape` (H, W, C) or in its own size with C = 3.

    Args:
        path, shape: of the file, and wanted.
        crop: that of an `Intake`.
        name: what error messages call it; default: the path.

    Raises:
        DataError: the file cannot be read.
        BadImageError: it is no image.
    """
    name = name or str(path)
    try:
        return decode(path.read_bytes(), shape, name, FILE_FORMATS, crop).pixels
    except OSError as error:
        raise DataError(f"image file {name} cannot be read: {error.strerror}") from error
