"""What a model tells apart and what a folder holds are two lists: labels by the model's list."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ndcore.data.sources import ImageSource
from ndcore.errors import DataError


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Class names of a text file, one a line in the order of the model's outputs.

    Raises:
        DataError: it cannot be read, is empty, or names a class twice.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the list of classes '{path}' cannot be read: {error}") from error
    names = tuple(line.strip() for line in lines if line.strip())
    twice = [name for name, count in Counter(names).items() if count > 1]
    if not names or twice:
        told = f"names '{twice[0]}' twice" if twice else "is empty"
        raise DataError(f"the list of classes '{path}' {told}")
    return names


def with_classes(source: ImageSource, names: Sequence[str]) -> ImageSource:
    """The same images, labelled by the place of their class in `names`.

    Raises:
        DataError: the source has a class that is not in the list, or a class without images.
    """
    if source.classes == tuple(names):
        return source
    missing = [name for name in source.classes if name not in names]
    if missing:
        raise DataError(f"class '{missing[0]}' of the data is not in the list of classes")
    counts = np.bincount(source.labels, minlength=len(source.classes))
    if not counts.all():
        empty = source.classes[int(counts.argmin())]
        raise DataError(f"class '{empty}' has no images")
    places = np.array([list(names).index(name) for name in source.classes], np.int64)
    absent = tuple(name for name in names if name not in source.classes)
    return replace(source, classes=tuple(names), labels=places[source.labels], absent=absent)
