"""Image folders in torchvision's ImageFolder layout, with or without `train/` and `test/`.

As there, a class's images may lie in folders of its own; hidden files and folders are left out.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ndcore.data.sources import ImageSource, read_image
from ndcore.errors import DataError

LOSSLESS_SUFFIXES = (".png", ".bmp", ".ppm", ".pgm")
IMAGE_SUFFIXES = (*LOSSLESS_SUFFIXES, ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
PARTS = ("train", "test")
NO_CLASSES = {*PARTS, "val", "valid", "validation", "dev"}


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
        parts = _parts(root)
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


def _parts(root: Path) -> list[str]:
    """`train` and `test` where they hold classes; a class may bear such a name beside others."""
    inside = {part: _subfolders(root / part) for part in PARTS if (root / part).is_dir()}
    parts = [part for part, classes in inside.items() if classes]
    alike = len(parts) == len(PARTS) and len({*inside["train"]} & {*inside["test"]}) > 1
    return parts if parts and (alike or NO_CLASSES.issuperset(_subfolders(root))) else [""]


def _subfolders(folder: Path) -> list[str]:
    return sorted(
        entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != "."
    )


def _image_files(folder: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if name[0] != ".")
        found += [
            Path(place, name)
            for name in sorted(names)
            if name.lower().endswith(IMAGE_SUFFIXES) and name[0] != "."
        ]
    return found
