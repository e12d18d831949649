"""Image folders in torchvision's ImageFolder layout, with or without `train/` and `test/`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ndcore.data.sources import ImageSource, read_image
from ndcore.errors import DataError

__all__ = ["folder_source"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
LOSSLESS_SUFFIXES = (".png", ".bmp")
PARTS = ("train", "test")


def folder_source(root: Path, shape: tuple[int, int, int] | None = None) -> ImageSource:
    """A folder per class; images are read when asked for and brought to `shape` (H, W, C).

    Without a shape that of the first image holds for all.

    Raises:
        DataError: no folder, no classes, no images, or unreadable.
        BadImageError: the first image is none.
    """
    if not root.is_dir():
        raise DataError(f"data folder '{root}' does not exist or is no folder")
    try:
        parts = [part for part in PARTS if (root / part).is_dir()] or [""]
        classes = _subfolders(root / parts[0])
        if not classes:
            raise DataError(f"data folder '{root}' has no class subfolders with images")
        rows = [
            (part, label, path)
            for part in parts
            for label, name in enumerate(classes)
            for path in _image_files(root / part / name)
        ]
    except OSError as error:
        raise DataError(f"data folder '{root}' cannot be read: {error.strerror}") from error
    if not rows:
        raise DataError(f"data folder '{root}' holds no images ({', '.join(IMAGE_SUFFIXES)})")
    paths = [path for _, _, path in rows]
    size = shape or read_image(paths[0], None).shape
    return ImageSource(
        name="folder",
        classes=tuple(classes),
        ids=tuple(path.relative_to(root).as_posix() for path in paths),
        labels=np.array([label for _, label, _ in rows], np.int64),
        parts=tuple(part for part, _, _ in rows),
        lossless=np.array([path.suffix.lower() in LOSSLESS_SUFFIXES for path in paths]),
        shape=(size[0], size[1], size[2]),
        read=lambda position: read_image(paths[position], (size[0], size[1], size[2])),
        root=str(root),
    )


def _subfolders(folder: Path) -> list[str]:
    return sorted(
        entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."
    )


def _image_files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [
        folder / name
        for name in sorted(os.listdir(folder))
        if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")
    ]
