"""Files that are copies of each other, and files that cannot be read: told, and kept apart."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ndcore.data.sources import ImageSource
from ndcore.errors import BadImageError, DataError
from ndcore.legible.plurals import counted


def first_copies(source: ImageSource) -> NDArray[np.int64]:
    """For each image the position of the first one whose file has the very same bytes, (N,).

    Only files in folders are compared; anywhere else every image is its own first.
    """
    first = np.arange(len(source))
    if source.name != "folder":
        return first
    sizes: dict[int, list[int]] = defaultdict(list)
    for position, image_id in enumerate(source.ids):
        try:
            sizes[os.path.getsize(Path(source.root, image_id))].append(position)
        except OSError:
            continue  # whoever reads it says so
    for alike in sizes.values():
        known: dict[bytes, int] = {}
        for position in alike if len(alike) > 1 else ():
            digest = _digest(Path(source.root, source.ids[position]))
            first[position] = known.setdefault(digest, position) if digest else position
    return first


def chosen_images(source: ImageSource, positions: Sequence[int]) -> ImageSource:
    """Some of the images of a source, as a source."""
    kept = [int(position) for position in positions]
    return replace(
        source,
        ids=tuple(source.ids[position] for position in kept),
        labels=source.labels[kept],
        parts=tuple(source.parts[position] for position in kept),
        lossless=source.lossless[kept],
        read=lambda place: source.read(kept[place]),
    )


def without_broken(source: ImageSource) -> tuple[ImageSource, list[str]]:
    """The images that can be read, and the ids of the others; every image is read once."""
    kept, broken = [], []
    for position, image_id in enumerate(source.ids):
        try:
            source.read(position)
        except (BadImageError, DataError):
            broken.append(image_id)
        else:
            kept.append(position)
    if not broken:
        return source, broken
    return replace(
        chosen_images(source, kept),
        intake=replace(source.intake, without=(*source.intake.without, *broken)),
        left_out=(
            *source.left_out,
            f"left out, because they cannot be read: {counted(len(broken), 'image file')}, such as "
            f"{broken[0]}",
        ),
    ), broken


def _digest(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError:
        return b""
