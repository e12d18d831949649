"""CIFAR-10 on this machine: as torchvision leaves it, or as folders of images.

One rule for commands and pages: a folder holds CIFAR-10 if torchvision's files or
`{train,test}/<class>` lie in it or in its subfolder `cifar10`; torchvision's files come first.
Ids are `cifar10-test:7` in the former, `test/cat/0105.png` in the latter.
"""

from __future__ import annotations

import contextlib
import os
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np

from ndcore.data.folder.listing import MAIN
from ndcore.data.folders import folder_source
from ndcore.data.sources import ImageSource, Pixels, read_image
from ndcore.errors import DataError
from ndcore.storage.places import data_dir

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR10_FOLDER = "cifar-10-batches-py"
CIFAR10_HOW = "python -m ndcore data fetch cifar10"
SUFFIXES = (".png", ".jpg")


def is_cifar10_root(root: Path) -> bool:
    """Whether CIFAR-10 lies in this folder, in either form."""
    return any(_is_packed(place) or _is_folders(place) for place in _places(root))


def cifar10_source(root: Path, shape: tuple[int, int, int] | None = None) -> ImageSource:
    """All images, from whichever form of CIFAR-10 lies in a folder.

    Args:
        root: the folder.
        shape: (H, W, C) to which image files are brought; default: their own.

    Raises:
        DataError: they are missing or damaged.
    """
    for place in _places(root):
        if _is_packed(place):
            return _packed(place)
    for place in _places(root):
        if _is_folders(place):
            stamps = tuple(folder.stat().st_mtime_ns for folder in _class_folders(place))
            return _folders(place, shape or (32, 32, 3), stamps)
    raise DataError(f"CIFAR-10 is not in {root}; get it with: {CIFAR10_HOW}")


def _places(root: Path) -> tuple[Path, Path]:
    return root, root / "cifar10"


def _is_packed(place: Path) -> bool:
    return (place / CIFAR10_FOLDER).is_dir()


def _is_folders(place: Path) -> bool:
    return len(_class_folders(place)) == len(MAIN) * len(CIFAR10_CLASSES)


def _class_folders(place: Path) -> list[Path]:
    found = [place / part / name for part in MAIN for name in CIFAR10_CLASSES]
    return [folder for folder in found if folder.is_dir()]


@lru_cache(maxsize=4)
def _folders(place: Path, shape: tuple[int, int, int], stamps: tuple[int, ...]) -> ImageSource:
    """Listed once as long as no image comes or goes, which `stamps` tell."""
    return folder_source(place, shape)


def _packed(root: Path) -> ImageSource:
    files = [path for path in (root / CIFAR10_FOLDER).iterdir() if path.is_file()]
    about = [(path.name, path.stat()) for path in sorted(files)]
    return _unpacked(root, tuple((name, at.st_size, at.st_mtime_ns) for name, at in about))


@lru_cache(maxsize=1)
def _unpacked(root: Path, stamps: tuple[tuple[str, int, int], ...]) -> ImageSource:
    """Read once as long as no file changes, which `stamps` tell."""
    from torchvision.datasets import CIFAR10

    try:  # torchvision compares checksums before it unpickles its own files
        train, test = CIFAR10(str(root), train=True), CIFAR10(str(root), train=False)
    except (RuntimeError, OSError, EOFError) as error:
        raise DataError(
            f"CIFAR-10 in {root} is damaged; get it again with: {CIFAR10_HOW}"
        ) from error
    images = np.concatenate([train.data, test.data])
    return ImageSource(
        name="cifar10",
        classes=CIFAR10_CLASSES,
        ids=tuple(f"cifar10-train:{i}" for i in range(len(train.data)))
        + tuple(f"cifar10-test:{i}" for i in range(len(test.data))),
        labels=np.array([*train.targets, *test.targets], np.int64),
        parts=("train",) * len(train.data) + ("test",) * len(test.data),
        lossless=np.ones(len(images), np.bool_),
        shape=(32, 32, 3),
        read=lambda position: images[position],
    )


def fetch_cifar10(root: str | Path | None = None) -> tuple[Path, int]:
    """Download CIFAR-10 through torchvision and verify it; a progress bar goes to stderr.

    Returns:
        (root, number of images).

    Raises:
        DataError: the download failed.
    """
    from torchvision.datasets import CIFAR10

    place = Path(root) if root else data_dir()
    try:
        place.mkdir(parents=True, exist_ok=True)
        with contextlib.redirect_stdout(sys.stderr):
            CIFAR10(str(place), download=True)
    except (OSError, RuntimeError) as error:
        raise DataError(f"CIFAR-10 could not be downloaded to {place}: {error}") from error
    return place, len(_packed(place))


def find_cifar10(image_id: str) -> tuple[Pixels, int]:
    """Pixels and label of `train/cat/0105`, from whichever copy of CIFAR-10 is on disk.

    Raises:
        DataError: it is no such id, or CIFAR-10 is not here.
    """
    key, suffix = os.path.splitext(image_id)
    pieces = key.split("/")
    if len(pieces) != 3 or pieces[0] not in ("train", "test") or pieces[1] not in CIFAR10_CLASSES:
        raise DataError(f"'{image_id}' is no id of an image")
    if not pieces[2].isdigit():
        raise DataError(f"'{image_id}' is no id of an image")
    label = CIFAR10_CLASSES.index(pieces[1])
    for place in _places(data_dir()):
        for extension in (suffix,) if suffix else SUFFIXES:
            path = place / f"{key}{extension}"
            if path.is_file():
                return read_image(path, (32, 32, 3)), label
    try:
        source = cifar10_source(data_dir())
        position = source.index(key)
    except DataError:
        raise DataError(
            f"image '{image_id}' is part of CIFAR-10, which is not here; get it with: {CIFAR10_HOW}"
        ) from None
    return source.pixels([position])[0], label
