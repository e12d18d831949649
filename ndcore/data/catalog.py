"""Image sources by name.

`samples` (20 CIFAR-10 test images that the foolbox package carries), `cifar10` (torchvision's
files on disk), `digits` (scikit-learn), `folder` (torchvision ImageFolder layout) and `stored` (a
file of activations, with or without the images).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ndcore.data.cifar10 import (
    CIFAR10_CLASSES,
    CIFAR10_HOW,
    cifar10_source,
    find_cifar10,
    is_cifar10_root,
)
from ndcore.data.folder.intake import USUAL, Intake
from ndcore.data.folders import folder_source
from ndcore.data.sources import ImageSource, Pixels, read_image
from ndcore.data.stored.file import SUFFIX, read_activations
from ndcore.errors import BadRequestError, DataError
from ndcore.storage.places import data_dir

# Looks an image up by its id: pixels uint8 (H, W, C), and its label or -1.
Find = Callable[[str], tuple[Pixels, int]]


@dataclass(frozen=True)
class SourceStatus:
    """Whether a source can be read now, and in one line how to get it if not."""

    name: str
    ready: bool
    images: int
    how: str


def open_source(
    name: str,
    root: str | Path | None = None,
    shape: tuple[int, int, int] | None = None,
    intake: Intake = USUAL,
) -> ImageSource:
    """Open a source by name.

    Args:
        name: `samples`, `cifar10`, `digits` or `folder`.
        root: folder of `cifar10` (default: `data_dir()`) or `folder` (required).
        shape: (H, W, C) to which image files are brought; default: that of the first
            one that can be read.
        intake: how those of a folder are taken in.

    Raises:
        BadRequestError: no such source.
        DataError: the source is not there; the sentence says how to get it.
    """
    if name == "samples":
        return _samples()
    if name == "digits":
        return _digits()
    if name == "cifar10":
        return cifar10_source(Path(root) if root else data_dir(), shape)
    if name == "folder":
        if root is None:
            raise BadRequestError("source 'folder' needs a folder: give it with --data")
        return open_data(root, shape, intake)
    raise BadRequestError(f"unknown source '{name}': choose samples, cifar10, digits or folder")


def open_data(
    data: str | Path, shape: tuple[int, int, int] | None = None, intake: Intake = USUAL
) -> ImageSource:
    """Open what `--data` names: a source's name, a CIFAR-10 root, an ImageFolder or an .npz file.

    Args:
        data: the name or the folder.
        shape: (H, W, C) to which image files are brought; default: that of the first
            one that can be read.
        intake: how those of a folder are taken in.

    Raises:
        DataError: nothing usable is there.
    """
    if str(data) in ("samples", "digits", "cifar10"):
        return open_source(str(data), shape=shape)
    root = Path(data)
    if root.suffix.lower() == SUFFIX:
        return _stored(root)
    if not root.is_dir():
        raise DataError(f"data folder '{data}' does not exist or is no folder")
    if is_cifar10_root(root):
        return cifar10_source(root, shape)
    return folder_source(root, shape, intake)


def own_root(source: ImageSource) -> str:
    """Path of the folder that somebody's own images lie in, or of a file of stored activations; ""
    for a data set that has a name."""
    if source.name not in ("folder", "stored") or is_cifar10_root(Path(source.root)):
        return ""
    return str(Path(source.root).resolve())


def own_place(root: str) -> Path | None:
    """Where such a folder lies now: at its path, or by its name in `data_dir()`."""
    places = (Path(root), data_dir() / Path(root).name) if root else ()
    return next((place for place in places if place.is_dir()), None)


def source_status() -> list[SourceStatus]:
    """Which of the built-in sources are ready now."""
    rows = []
    for name, how in (
        ("samples", "pip install foolbox"),
        ("digits", "pip install scikit-learn"),
        ("cifar10", CIFAR10_HOW),
    ):
        try:
            rows.append(SourceStatus(name, True, len(open_source(name)), how))
        except DataError:
            rows.append(SourceStatus(name, False, 0, how))
    return rows


def find_image(
    image_id: str,
    root: str | Path | None = None,
    shape: tuple[int, int, int] | None = None,
    intake: Intake = USUAL,
) -> tuple[Pixels, int]:
    """Look one image up by its id, wherever its source is on disk.

    Args:
        image_id: `samples:3`, `digits:12`, `cifar10-test:7`, or a path in a data folder such as
            `train/cat/0105` (the suffix may be left out).
        root: what `--data` names; default: CIFAR-10 under `data_dir()`.
        shape: (H, W, C) to which a file in `root` is brought; default: that of the first one.
        intake: how it is taken in.

    Returns:
        (pixels uint8 (H, W, C), label or -1 when unknown).

    Raises:
        DataError: there is no such image, or its data set is not on this machine.
    """
    prefix, _, number = image_id.partition(":")
    named = "cifar10" if prefix.startswith("cifar10-") else prefix
    if number and named in ("samples", "digits", "cifar10"):
        # CIFAR-10 may lie where `--data` says; the other two lie in packages.
        source = open_source(named, root if named == "cifar10" else None)
        position = source.index(image_id)
    elif root is not None:
        source = open_data(root, shape, intake)
        if image_id not in source.places:
            raise DataError(f"there is no image '{image_id}' in {root}")
        position = source.places[image_id]
    elif number:
        raise DataError(f"there is no image source named '{prefix}'")
    else:
        return find_cifar10(image_id)
    return source.pixels([position])[0], int(source.labels[position])


def _samples() -> ImageSource:
    spec = importlib.util.find_spec("foolbox")
    folder = Path(spec.origin).parent / "data" if spec and spec.origin else None
    files = sorted(folder.glob("cifar10_*_*.png")) if folder else []
    if not files:
        raise DataError("the sample images come with the foolbox package: pip install foolbox")
    labels = np.array([int(path.stem.rsplit("_", 1)[1]) for path in files], np.int64)
    return ImageSource(
        name="samples",
        classes=CIFAR10_CLASSES,
        ids=tuple(f"samples:{index}" for index in range(len(files))),
        labels=labels,
        parts=("test",) * len(files),
        lossless=np.ones(len(files), np.bool_),
        shape=(32, 32, 3),
        read=lambda position: read_image(files[position], (32, 32, 3)),
    )


def _digits() -> ImageSource:
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise DataError("the digits come with scikit-learn: pip install scikit-learn") from error
    bunch = load_digits()
    images = np.rint(bunch.images * (255 / 16)).astype(np.uint8)[..., None]
    return ImageSource(
        name="digits",
        classes=tuple(str(digit) for digit in range(10)),
        ids=tuple(f"digits:{index}" for index in range(len(images))),
        labels=bunch.target.astype(np.int64),
        parts=("",) * len(images),
        lossless=np.ones(len(images), np.bool_),
        shape=(8, 8, 1),
        read=lambda position: images[position],
    )


def _stored(path: Path) -> ImageSource:
    held = read_activations(path)
    height, width, channels = held.images.shape[1:]
    return ImageSource(
        name="stored",
        classes=held.classes,
        ids=tuple(f"stored:{index}" for index in range(len(held))),
        labels=held.labels,
        parts=("",) * len(held),
        lossless=np.ones(len(held), np.bool_),
        shape=(height, width, channels),
        read=lambda position: held.images[position],
        root=str(path),
    )
