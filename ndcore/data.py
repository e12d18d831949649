"""Image sources: a name or a folder -> ids, labels and 8-bit pixels.

Sources: `samples` (20 CIFAR-10 test images that the foolbox package carries), `cifar10`
(torchvision's files on disk), `digits` (scikit-learn) and `folder` (torchvision ImageFolder
layout, with or without `train/` and `test/` above the classes).
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError, DataError
from ndcore.images import decode

__all__ = [
    "CIFAR10_CLASSES",
    "ImageSource",
    "SourceStatus",
    "data_dir",
    "fetch_cifar10",
    "find_image",
    "open_data",
    "open_source",
    "source_status",
]

Pixels = NDArray[np.uint8]

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
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
LOSSLESS_SUFFIXES = (".png", ".bmp")
PARTS = ("train", "test")


@dataclass(frozen=True)
class ImageSource:
    """Images of one shape, read on demand.

    Attributes:
        name: `samples`, `cifar10`, `digits` or `folder`.
        classes: class names in label order.
        ids: one id per image (see SPEC section 0).
        labels: int64 (N,).
        parts: `train` or `test` per image, or "" where the source does not say.
        lossless: bool (N,): the pixels never went through a lossy codec, as far as the file tells.
        shape: (H, W, C) of every image that `pixels` returns.
        read: position -> pixels uint8 (H, W, C).
        root: folder on disk, or "".
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

    def __len__(self) -> int:
        return len(self.ids)

    def pixels(self, indices: Sequence[int] | NDArray[np.integer]) -> Pixels:
        """Pixels uint8 (n, H, W, C) at the given positions.

        Raises:
            DataError: an image file cannot be read.
        """
        positions = [int(index) for index in indices]
        if self.root and len(positions) > 64:
            with ThreadPoolExecutor(2) as pool:
                images = list(pool.map(self.read, positions))
        else:
            images = [self.read(position) for position in positions]
        return np.stack(images) if images else np.zeros((0, *self.shape), np.uint8)

    def index(self, image_id: str) -> int:
        """Position of an id.

        Raises:
            DataError: this source has no such image.
        """
        try:
            return self.ids.index(image_id)
        except ValueError:
            raise DataError(f"source '{self.name}' has no image '{image_id}'") from None

    def keys(self) -> tuple[str, ...]:
        """A name per image that is the same in every copy of a data set.

        CIFAR-10 in torchvision's files and as folders share `train/cat/0105` = the 106th cat of
        the training set; elsewhere it is the id without its suffix.
        """
        if self.name != "cifar10":
            return tuple(os.path.splitext(image_id)[0] for image_id in self.ids)
        seen: dict[tuple[str, int], int] = {}
        keys = []
        for part, label in zip(self.parts, self.labels.tolist(), strict=True):
            rank = seen.get((part, label), 0)
            seen[part, label] = rank + 1
            keys.append(f"{part}/{self.classes[label]}/{rank:04d}")
        return tuple(keys)


@dataclass(frozen=True)
class SourceStatus:
    """Whether a source can be read now, and in one line how to get it if not."""

    name: str
    ready: bool
    images: int
    how: str


def data_dir() -> Path:
    """Where data sets are looked for: `$ND_DATA`, else `.data/` beside the package."""
    named = os.environ.get("ND_DATA")
    return Path(named) if named else Path(__file__).resolve().parent.parent / ".data"


def open_source(
    name: str, root: str | Path | None = None, shape: tuple[int, int, int] | None = None
) -> ImageSource:
    """Open a source by name.

    Args:
        name: `samples`, `cifar10`, `digits` or `folder`.
        root: folder of `cifar10` (default: `data_dir()`) or `folder` (required).
        shape: (H, W, C) to which `folder` images are brought; default: that of the first image.

    Raises:
        BadRequestError: no such source.
        DataError: the source is not there; the sentence says how to get it.
    """
    if name == "samples":
        return _samples()
    if name == "digits":
        return _digits()
    if name == "cifar10":
        return _cifar10(Path(root) if root else data_dir())
    if name == "folder":
        if root is None:
            raise BadRequestError("source 'folder' needs a folder: give it with --data")
        return _folder(Path(root), shape)
    raise BadRequestError(f"unknown source '{name}': choose samples, cifar10, digits or folder")


def open_data(data: str | Path, shape: tuple[int, int, int] | None = None) -> ImageSource:
    """Open what `--data` names: a source's name, a CIFAR-10 root or an ImageFolder.

    Raises:
        DataError: nothing usable is there.
    """
    if str(data) in ("samples", "digits", "cifar10"):
        return open_source(str(data))
    root = Path(data)
    if not root.is_dir():
        raise DataError(f"data folder '{data}' does not exist or is no folder")
    if (root / CIFAR10_FOLDER).is_dir():
        return _cifar10(root)
    return _folder(root, shape)


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
    return place, len(_cifar10(place))


def find_image(image_id: str, root: str | Path | None = None) -> tuple[Pixels, int]:
    """Look one image up by its id, wherever its source is on disk.

    Args:
        image_id: `samples:3`, `digits:12`, `cifar10-test:7`, or a path in a data folder such as
            `train/cat/0105` (the suffix may be left out).
        root: data folder for the last form; default: CIFAR-10 under `data_dir()`.

    Returns:
        (pixels uint8 (H, W, C), label or -1 when unknown).

    Raises:
        DataError: there is no such image, or its data set is not on this machine.
    """
    prefix, _, number = image_id.partition(":")
    if number:
        name = "cifar10" if prefix.startswith("cifar10-") else prefix
        if name not in ("samples", "digits", "cifar10"):
            raise DataError(f"there is no image source named '{prefix}'")
        source = open_source(name)
        position = source.index(image_id)
        return source.pixels([position])[0], int(source.labels[position])
    if root is not None:
        source = _folder(Path(root), None)
        for position, key in enumerate(source.keys()):
            if image_id in (source.ids[position], key):
                return source.pixels([position])[0], int(source.labels[position])
        raise DataError(f"there is no image '{image_id}' in {root}")
    return _find_cifar10(image_id)


def _find_cifar10(image_id: str) -> tuple[Pixels, int]:
    key, suffix = os.path.splitext(image_id)
    pieces = key.split("/")
    if len(pieces) != 3 or pieces[0] not in PARTS or pieces[1] not in CIFAR10_CLASSES:
        raise DataError(f"'{image_id}' is no id of an image")
    if not pieces[2].isdigit():
        raise DataError(f"'{image_id}' is no id of an image")
    label = CIFAR10_CLASSES.index(pieces[1])
    for extension in (suffix,) if suffix else IMAGE_SUFFIXES:
        path = data_dir() / "cifar10" / f"{key}{extension}"
        if path.is_file():
            return _read_file(path, (32, 32, 3)), label
    try:
        source = _cifar10(data_dir())
        position = source.keys().index(key)
    except (DataError, ValueError):
        raise DataError(
            f"image '{image_id}' is part of CIFAR-10, which is not here; get it with: {CIFAR10_HOW}"
        ) from None
    return source.pixels([position])[0], label


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
        read=lambda position: _read_file(files[position], (32, 32, 3)),
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


def _cifar10(root: Path) -> ImageSource:
    if not (root / CIFAR10_FOLDER).is_dir():
        raise DataError(f"CIFAR-10 is not in {root}; get it with: {CIFAR10_HOW}")
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


def _folder(root: Path, shape: tuple[int, int, int] | None) -> ImageSource:
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
    size = shape or _read_file(paths[0], None).shape
    return ImageSource(
        name="folder",
        classes=tuple(classes),
        ids=tuple(path.relative_to(root).as_posix() for path in paths),
        labels=np.array([label for _, label, _ in rows], np.int64),
        parts=tuple(part for part, _, _ in rows),
        lossless=np.array([path.suffix.lower() in LOSSLESS_SUFFIXES for path in paths]),
        shape=(size[0], size[1], size[2]),
        read=lambda position: _read_file(paths[position], (size[0], size[1], size[2])),
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


def _read_file(path: Path, shape: tuple[int, int, int] | None) -> Pixels:
    try:
        return decode(path.read_bytes(), shape, name=str(path)).pixels
    except OSError as error:
        raise DataError(f"image file {path} cannot be read: {error.strerror}") from error
