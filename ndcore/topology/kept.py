"""Vectors on disk: read once for the same weights, layer, images and positions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN
from ndcore.data.catalog import Find
from ndcore.data.gallery_row import GalleryRow
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from ndcore.steps import ShouldStop
from ndcore.storage.places import cache_dir
from ndcore.topology.space import Space
from ndcore.topology.vectors import ToRead, fitting, read_vectors

FOLDER = "topology"
SHIPPED, ATTACKS = "shipped", "attacks"
MOST_KEPT = 2**30  # bytes of a bundle's vectors; the ones longest unused give way


def vectors_dir(bundle: Bundle) -> Path:
    """Where vectors are kept that this machine has read."""
    return cache_dir() / FOLDER / bundle.name


def set_key(images: ToRead) -> str:
    """Tells a set of images, in their order, from others."""
    return hashlib.sha256("\n".join([images.about, *images.keys]).encode()).hexdigest()[:16]


def find_space(bundle: Bundle, layer: str, positions: str, images: str) -> Space | None:
    """The vectors of a set of images, where they were read before; else None.

    Args:
        bundle, layer, positions: of the vectors.
        images: `set_key` of them, or `SHIPPED` or `ATTACKS` for those that came with the bundle.
    """
    name, stamp = _named(bundle, layer, positions, images)
    if images in (SHIPPED, ATTACKS):
        return Space.load(bundle.folder / FOLDER / name, stamp)
    path = vectors_dir(bundle) / name
    found = Space.load(path, stamp)
    if found is not None:
        path.touch()
    return found


def ship(bundle: Bundle, layer: str, positions: str, space: Space, find: Find) -> None:
    """Put vectors into a bundle, so that they travel with it; no image does.

    Besides them go those of the attacks of its gallery whose images `find` looks up.
    """
    folder = bundle.folder / FOLDER
    name, stamp = _named(bundle, layer, positions, SHIPPED)
    space.save(folder / name, stamp)
    pairs = [pair for row in bundle.gallery if (pair := _pair(row, find)) is not None]
    name, stamp = _named(bundle, layer, positions, ATTACKS)
    if pairs:
        read = read_vectors(bundle, [layer], positions, attacked_images(pairs))
        Space.around(read[layer]).save(folder / name, stamp)


def attacked_images(pairs: Sequence[Pair]) -> ToRead:
    """The attacked images of pairs, each at the same position as its benign image."""
    pixels = np.stack([pair.images[-1] for pair in pairs])
    labels = np.array([UNKNOWN if pair.label is None else pair.label for pair in pairs], np.int64)
    about = hashlib.sha256(pixels.tobytes()).hexdigest()
    return ToRead(tuple(pair.image_id for pair in pairs), labels, lambda part: pixels[part], about)


def _pair(row: GalleryRow, find: Find) -> Pair | None:
    try:
        return row.look_up(find)
    except NeuralDivergenceError:
        return None


def read_spaces(
    bundle: Bundle,
    layers: Sequence[str],
    positions: str,
    images: ToRead,
    *,
    on_batch: Callable[[int], None] | None = None,
    should_stop: ShouldStop = None,
) -> dict[str, Space]:
    """The vectors of some layers, those of disk where they are there, and kept if not.

    See `read_vectors` for the arguments and what it raises.
    """
    named = set_key(images)
    known = {layer: find_space(bundle, layer, positions, named) for layer in layers}
    missing = [layer for layer, space in known.items() if space is None]
    made: dict[str, Space] = {layer: space for layer, space in known.items() if space is not None}
    if missing:
        read = read_vectors(
            bundle, missing, positions, images, on_batch=on_batch, should_stop=should_stop
        )
        for layer, vectors in read.items():
            made[layer] = Space.around(vectors)
            name, stamp = _named(bundle, layer, positions, named)
            made[layer].save(vectors_dir(bundle) / name, stamp)
        _make_room(vectors_dir(bundle))
    return {layer: made[layer] for layer in layers}


def _named(bundle: Bundle, layer: str, positions: str, images: str) -> tuple[str, str]:
    """Name and stamp of the file of some vectors."""
    way = fitting(bundle, layer, positions)
    files = bundle.manifest["files"]["distributions.npz"]  # what divergences hang on
    stamp = f"{bundle.weight_hash} {files} {layer} {way} {images}"
    return f"{hashlib.sha256(stamp.encode()).hexdigest()[:24]}.npz", stamp


def _make_room(folder: Path) -> None:
    files = sorted(folder.glob("*.npz"), key=lambda path: -path.stat().st_mtime_ns)
    sizes = np.cumsum([path.stat().st_size for path in files])
    for path, until in zip(files, sizes.tolist(), strict=True):
        if until > MOST_KEPT:
            path.unlink(missing_ok=True)
