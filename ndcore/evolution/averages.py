"""What drives each unit, averaged and kept, so that a recording has pictures without its images.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks", section 3.2.2.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.data.decode import decode, encode_webp
from ndcore.data.sources import ImageSource
from ndcore.errors import BadImageError, RunError
from ndcore.evolution.layers import WatchedLayer, units_before
from ndcore.evolution.patches import (
    AVERAGED,
    Patches,
    clearness,
    cut_patches,
    trimmed,
    weighted_average,
)
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.store import epoch_file, read_arrays, write_arrays

KIND = "averages"


@dataclass(frozen=True)
class UnitAverage:
    """The average of the patches that drive a unit most.

    Attributes:
        image: uint8 (H, W, C), or None where no activation is above 0; a kept one has been through
            WebP.
        clearness: contrast of the average relative to the patches', see `clearness`.
    """

    image: NDArray[np.uint8] | None
    clearness: float


def average_of(
    pixels: NDArray[np.uint8], found: Patches, shape: tuple[int, ...]
) -> tuple[UnitAverage, NDArray[np.uint8]]:
    """A unit's average and the patches behind it, without the margins where no patch has an image.

    Args:
        pixels: of the patches' images, uint8 (k, H, W, C).
        found: the patches.
        shape: of an image, height and width first.

    Returns:
        (average, patches uint8 (k, h, w, C)).
    """
    cut = cut_patches(pixels, found.boxes)
    average = weighted_average(cut, found.activations)
    part = trimmed(found.boxes, shape)
    clear = clearness(cut, average)
    rounded = None if average is None else np.rint(average[part]).astype(np.uint8)
    return UnitAverage(rounded, clear), cut[:, *part]


def average_image(
    pixels: NDArray[np.uint8], found: Patches, shape: tuple[int, ...]
) -> NDArray[np.uint8] | None:
    """The picture of `average_of` alone, at a quarter of its cost; None as there."""
    average = weighted_average(cut_patches(pixels, found.boxes), found.activations)
    if average is None:
        return None
    return np.asarray(np.rint(average[trimmed(found.boxes, shape)]), np.uint8)


def keep_averages(run: EvolutionRun, source: ImageSource) -> None:
    """Write the averages of all units at the last epoch with details.

    Args:
        run: a recording.
        source: the images that it was made from.

    Raises:
        DataError: an image cannot be read.
        RunError: the recording is damaged, or an image is not in `source`.
    """
    epoch, shape = run.detailed[-1], tuple(run.about["shape"])
    found = [
        run.patches(layer.name, unit, epoch, AVERAGED)
        for layer in _pictured(run)
        for unit in range(layer.units)
    ]
    pictures = images_of(source, found)
    averages = [
        average_of(images, each, shape)[0] for images, each in zip(pictures, found, strict=True)
    ]
    files = [b"" if each.image is None else encode_webp(each.image) for each in averages]
    arrays: dict[str, NDArray[Any]] = {
        "length": np.array([len(file) for file in files], np.int32),
        "clearness": np.array([each.clearness for each in averages], np.float32),
        "files": np.frombuffer(b"".join(files), np.uint8),
    }
    write_arrays(epoch_file(run.folder, KIND, epoch), arrays)


def images_of(source: ImageSource, found: Sequence[Patches]) -> Iterator[NDArray[np.uint8]]:
    """The images behind each of many lists of patches, uint8 (k, H, W, C), each read once.

    Raises:
        DataError: an image cannot be read.
        RunError: an image is not in `source`.
    """
    keys = sorted({key for patches in found for key in patches.keys})
    where = {key: position for position, key in enumerate(source.keys())}
    missing = next((key for key in keys if key not in where), None)
    if missing is not None:
        raise RunError(f"image '{missing}' of the recording is not in {source.name}")
    images = source.pixels([where[key] for key in keys])
    rows = {key: row for row, key in enumerate(keys)}
    return (images[[rows[key] for key in patches.keys]] for patches in found)


def kept_epochs(run: EvolutionRun) -> tuple[int, ...]:
    """Epochs whose averages were kept."""
    return tuple(epoch for epoch in run.detailed if epoch_file(run.folder, KIND, epoch).is_file())


def kept_averages(run: EvolutionRun, layer: str, epoch: int) -> list[UnitAverage]:
    """The averages of a layer's units, in their order.

    Raises:
        BadRequestError: the layer was not recorded.
        RunError: none were kept at this epoch, or they are damaged.
    """
    path = epoch_file(run.folder, KIND, epoch)
    pictured = _pictured(run)
    units = sum(each.units for each in pictured)
    shapes: dict[str, tuple[int | None, ...]] = {
        "length": (units,),
        "clearness": (units,),
        "files": (None,),
    }
    arrays = read_arrays(path, shapes)
    lengths = arrays["length"].astype(np.int64)
    ends = np.cumsum(lengths)
    if (lengths < 0).any() or ends[-1] != len(arrays["files"]):
        raise RunError(f"the recording is damaged: {path} does not fit its lengths")
    here = run.layer(layer)
    name = here.follows if _same_picture(here) else layer
    start = units_before(pictured, name)
    kept = []
    for unit in range(start, start + here.units):
        file = arrays["files"][ends[unit] - lengths[unit] : ends[unit]].tobytes()
        image = _decoded(file, int(run.about["shape"][2]), path) if file else None
        kept.append(UnitAverage(image, float(arrays["clearness"][unit])))
    return kept


def _decoded(file: bytes, channels: int, path: Path) -> NDArray[np.uint8]:
    try:
        return decode(file, None).pixels[..., :channels]
    except BadImageError as error:
        raise RunError(f"the recording is damaged: {path} holds a broken picture") from error


def _same_picture(layer: WatchedLayer) -> bool:
    """Negative activations weigh nothing, so a ReLU's average is that of the layer before it."""
    return bool(layer.follows) and layer.kind == "relu"


def _pictured(run: EvolutionRun) -> list[WatchedLayer]:
    return [layer for layer in run.layers if not _same_picture(layer)]
