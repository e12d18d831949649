"""Image folders as image sources; `ndcore.data.folder` says what in them is what."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ndcore.data.decode import upright_size
from ndcore.data.folder.intake import USUAL, Intake
from ndcore.data.folder.listing import LOSSLESS_SUFFIXES, Listing, list_folder
from ndcore.data.sources import ImageSource, read_image
from ndcore.errors import BadImageError, DataError, NeuralDivergenceError


def folder_source(
    root: Path, shape: tuple[int, int, int] | None = None, intake: Intake = USUAL
) -> ImageSource:
    """A folder per class; images are read when asked for and brought to `shape` (H, W, C).

    Without a shape that of the first image that can be read holds for all.

    Raises:
        DataError: no folder, no classes, no images, or unreadable.
        BadImageError: no file is an image.
    """
    found = list_folder(root, intake)
    size = shape or _first_shape(found)
    return ImageSource(
        name="folder",
        classes=found.classes,
        ids=found.ids,
        labels=np.array(found.labels, np.int64),
        parts=found.parts,
        lossless=np.array([path.suffix.lower() in LOSSLESS_SUFFIXES for path in found.paths]),
        shape=size,
        read=lambda at: read_image(found.paths[at], size, intake.crop, found.ids[at]),
        root=str(root),
        intake=intake,
        left_out=found.left_out,
    )


def _first_shape(found: Listing) -> tuple[int, int, int]:
    """(H, W, C) of the first image that can be read; of the others the first error tells."""
    errors: list[NeuralDivergenceError] = []
    for path, image_id in zip(found.paths, found.ids, strict=True):
        try:
            height, width, channels = read_image(path, None, name=image_id).shape
        except (BadImageError, DataError) as error:
            errors.append(error)
        else:
            return height, width, channels
    raise errors[0]


def image_sizes(source: ImageSource) -> list[tuple[int, int] | None]:
    """(H, W) of each file of a folder, upright, by its head alone; None where that is damaged."""
    return [upright_size(Path(source.root, image_id)) for image_id in source.ids]
