"""The files of an image folder in torchvision's ImageFolder layout, and what is left out of it.

As there, a class's images may lie in folders of its own. Hidden files and folders, and what
archives leave behind, are not looked at.

Folders named as parts of a data set (`train`, `val`, `test`) are parts where all folders are so
named and hold folders of their own, or where `train` and `test` hold the same classes and nothing
else does; anything else is a class, whatever its name.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ndcore.data.folder.intake import Intake
from ndcore.errors import DataError
from ndcore.legible.plurals import counted

LOSSLESS_SUFFIXES = (".png", ".bmp", ".ppm", ".pgm")
IMAGE_SUFFIXES = (*LOSSLESS_SUFFIXES, ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
# Names of folders that may be parts, and what the part is called.
PARTS = {"train": "train", "test": "test"} | dict.fromkeys(
    ("val", "valid", "validation", "dev"), "val"
)
MAIN = ("train", "test")
LITTER = ("__MACOSX", "@eaDir")
TOLD = 5  # kinds of files that are named


@dataclass(frozen=True)
class Listing:
    """What lies in a folder.

    Attributes:
        classes: names in alphabetical order.
        paths: of the images.
        ids: their paths within the folder, by slashes.
        labels: position of the class of each image.
        parts: `train`, `val` or `test` of each, "" where the folder has no parts.
        left_out: a sentence without its full stop for each kind of thing that is no image of it.
    """

    classes: tuple[str, ...]
    paths: tuple[Path, ...]
    ids: tuple[str, ...]
    labels: tuple[int, ...]
    parts: tuple[str, ...]
    left_out: tuple[str, ...]


def list_folder(root: Path, intake: Intake) -> Listing:
    """What lies in a folder: a folder per class, or per part with a folder per class in each.

    Raises:
        DataError: no folder, no classes, no images, or unreadable.
    """
    if not root.is_dir():
        raise DataError(f"data folder '{root}' does not exist or is no folder")
    try:
        return _listed(root, intake)
    except OSError as error:
        raise DataError(f"data folder '{root}' cannot be read: {error.strerror}") from error


def _listed(root: Path, intake: Intake) -> Listing:
    parts = _parts(root, intake.parts)
    places = [root / part for part in parts]
    classes = sorted({name for place in places for name in _subfolders(place)})
    beside = _beside(root, places)
    loose = [path for path in beside if path.suffix.lower() in IMAGE_SUFFIXES]
    if not classes:
        has = f" but {counted(len(loose), 'image')} of no class" if loose else ""
        raise DataError(
            f"data folder '{root}' has no class subfolders with images{has}: "
            "put the images of each class into a folder of its own"
        )
    rows: list[tuple[Path, str, int, str]] = []
    others = Counter(path.suffix.lower() for path in beside if path not in loose)
    for part, place in zip(parts, places, strict=True):
        for label, name in enumerate(classes):
            for path in _files(place / name):
                if path.suffix.lower() in IMAGE_SUFFIXES:
                    image_id = path.relative_to(root).as_posix()
                    rows.append((path, image_id, label, PARTS.get(part, "")))
                else:
                    others[path.suffix.lower()] += 1
    without = {*intake.without}
    kept = [row for row in rows if row[1] not in without]
    if not kept:
        raise DataError(
            f"data folder '{root}' holds no images ({', '.join(IMAGE_SUFFIXES)})"
            + (f", only {_of_kinds(others)}" if others else "")
        )
    folders = [name for name in _subfolders(root) if parts != [""] and name not in parts]
    paths, ids, labels, found = zip(*kept, strict=True)
    broken = len(rows) - len(kept)
    return Listing(
        tuple(classes), paths, ids, labels, found, tuple(_left_out(others, loose, folders, broken))
    )


def _left_out(
    others: Counter[str], loose: list[Path], folders: list[str], broken: int
) -> Iterator[str]:
    if others:
        yield f"{counted(others.total(), 'file')} left out: {_of_kinds(others)}"
    if loose:
        images = counted(len(loose), "image")
        yield f"{images} left out, in no class folder, such as {loose[0].name}"
    if folders:
        more = f" and {len(folders) - 1} more" if len(folders) > 1 else ""
        yield f"folder '{folders[0]}'{more} left out, beside the parts of the data"
    if broken:
        yield f"{counted(broken, 'image file')} left out that could not be read before"


def _of_kinds(others: Counter[str]) -> str:
    named = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in others.most_common()]
    more = others.total() - sum(count for _, count in others.most_common(TOLD))
    return ", ".join([*named[:TOLD], *([f"{more:,} others"] if more else [])])


def _parts(root: Path, asked: bool | None) -> list[str]:
    """Folders of `root` that are parts; [""] where it has none."""
    names = _subfolders(root)
    inside = {name: {*_subfolders(root / name)} for name in names}
    found = sorted(
        (name for name in names if name in PARTS and inside[name]),
        key=lambda name: (("train", "val", "test").index(PARTS[name]), name),
    )
    if asked:
        if not found:
            raise DataError(f"data folder '{root}' has no part ({', '.join(PARTS)}) with classes")
        return found
    if asked is False or not {*MAIN} & {*found}:
        return [""]
    if {*PARTS}.issuperset(names):
        return found
    shared = inside.get("train", set()) & inside.get("test", set())
    if len(shared) < 2:
        return [""]
    if any(shared & inside[name] for name in names if name not in PARTS):
        raise DataError(
            f"in data folder '{root}' train and test may be classes or parts of the data: "
            "say --parts no or --parts yes"
        )
    return found


def _subfolders(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and _seen(entry.name))


def _seen(name: str) -> bool:
    return name[0] != "." and name not in LITTER


def _beside(root: Path, places: list[Path]) -> list[Path]:
    """Files beside the class folders."""
    return [
        path
        for folder in dict.fromkeys([root, *places])
        for path in sorted(folder.iterdir())
        if _seen(path.name) and path.is_file()
    ]


def _files(folder: Path) -> Iterator[Path]:
    """All files at any depth, as torchvision finds them; a folder linked into itself once."""
    if not folder.is_dir():  # a part that lacks the class
        return
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, onerror=_stop, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(filter(_seen, folders))
        if real not in seen:
            yield from (Path(place, name) for name in sorted(names) if _seen(name))
        seen.add(real)


def _stop(error: OSError) -> None:
    raise error
