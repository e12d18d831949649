"""What drives the units of each class, averaged and kept, so that a graph has its pictures.

Of every class and layer the units with the most influence have one, those first that have more,
up to `MOST_BYTES` in all.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ndcore.analysis.class_graphs import ClassGraphs
from ndcore.bundles.bundle import Bundle
from ndcore.bundles.extras import put_files
from ndcore.bundles.manifest import PICTURES
from ndcore.concept_graph.drawing import Rule, chosen_units
from ndcore.concept_graph.graph import Patch, Unit
from ndcore.data.decode import decode, encode_webp
from ndcore.data.pixels import smaller
from ndcore.data.sources import ImageSource
from ndcore.errors import BadImageError
from ndcore.evolution.averages import average_image
from ndcore.evolution.patches import Patches
from ndcore.steps import Step, no_step

PICTURED = Rule(nodes=1.0, most=24)  # units of a layer that have one
MOST_BYTES = 3_400_000
SIDE = 48  # pixels of a picture's shorter side, about
COLOURS = 3  # WebP knows no more
FEWEST = 3  # images in an average that is kept: a bundle holds no image


def add_unit_pictures(bundle: Bundle, source: ImageSource, on_step: Step = no_step) -> int:
    """Make the pictures of a bundle that has graphs, or make them again.

    Args:
        bundle: is left as it was, but for the file and its checksum.
        source: holds the images that its graphs were made from.
        on_step: called with what is being done, classes done, all.

    Returns:
        How many there are; images of more than three channels have none.

    Raises:
        BundleError: it has no graphs, or cannot be written.
        DataError: an image cannot be read.
    """
    graphs = ClassGraphs(bundle)
    if bundle.shape[2] > COLOURS:
        return 0
    where = {key: at for at, key in enumerate(source.keys())}
    made: list[tuple[int, int, int, int, bytes]] = []  # rank, label, layer, unit, file
    for done, label in enumerate(graphs.labels):
        on_step("pictures of the concept graph", done, len(graphs.labels))
        found = graphs.measured(label)
        for number, layer in enumerate(found.units):
            patches = {
                unit: [p for p in graphs.patches(found, Unit(layer, unit)) if p.image in where]
                for unit in chosen_units(found, layer, PICTURED)
            }
            keys = sorted({each.image for few in patches.values() for each in few})
            pixels = dict(zip(keys, source.pixels([where[key] for key in keys]), strict=True))
            for rank, (unit, few) in enumerate(patches.items()):
                enough = len({each.image for each in few}) >= FEWEST
                picture = averaged(few, pixels, bundle.shape) if enough else None
                if picture is not None:
                    factor = max(1, min(picture.shape[:2]) // SIDE)
                    made.append((rank, label, number, unit, encode_webp(smaller(picture, factor))))
    put_files(bundle, {PICTURES: _file(made)}, [PICTURES])
    return len(made)


def averaged(
    patches: Sequence[Patch], pixels: Mapping[str, NDArray[np.uint8]], shape: Sequence[int]
) -> NDArray[np.uint8] | None:
    """The average of what drives a unit, weighted by how much it does: uint8 (h, w, C).

    Args:
        patches: that drive it most.
        pixels: uint8 (H, W, C) of images by key; patches of others are left out.
        shape: of an image, height and width first.

    Returns:
        None where there are none, or none is above 0.
    """
    here = [patch for patch in patches if patch.image in pixels]
    if not here:
        return None
    height, width = shape[:2]
    return average_image(
        np.stack([pixels[patch.image] for patch in here]),
        Patches(
            keys=tuple(patch.image for patch in here),
            labels=np.zeros(len(here), np.int64),
            boxes=np.array([patch.box or (0, 0, height, width) for patch in here], np.int64),
            activations=np.array([patch.activation for patch in here], np.float32),
        ),
        tuple(shape),
    )


def unit_pictures(bundle: Bundle, label: int) -> dict[Unit, NDArray[np.uint8]]:
    """The kept pictures of a class, uint8 (h, w, C) each; none where none were made.

    Raises:
        BundleError: the file has become unreadable.
    """
    arrays = bundle.picture_arrays
    if arrays is None:
        return {}
    ends = np.cumsum(arrays["length"])
    layers = list(bundle.layers)
    found = {}
    for at in np.flatnonzero(arrays["label"] == label).tolist():
        file = arrays["files"][ends[at] - arrays["length"][at] : ends[at]].tobytes()
        picture = _decoded(file)
        if picture is not None:
            unit = Unit(layers[arrays["layer"][at]], int(arrays["unit"][at]))
            found[unit] = picture[..., : bundle.shape[2]]
    return found


@lru_cache(maxsize=4096)
def _decoded(file: bytes) -> NDArray[np.uint8] | None:
    try:
        pixels = decode(file, None).pixels
    except BadImageError:
        return None
    pixels.flags.writeable = False
    return pixels


def _file(made: Sequence[tuple[int, int, int, int, bytes]]) -> bytes:
    """The archive, the most influential units first, as many as there is room for."""
    ordered = sorted(made, key=lambda each: each[:4])
    sizes = np.cumsum([len(each[4]) for each in ordered])
    kept = ordered[: int(np.searchsorted(sizes, MOST_BYTES, "right"))]
    out = io.BytesIO()
    np.savez(
        out,
        allow_pickle=False,
        label=np.array([each[1] for each in kept], np.int32),
        layer=np.array([each[2] for each in kept], np.int32),
        unit=np.array([each[3] for each in kept], np.int32),
        length=np.array([len(each[4]) for each in kept], np.int64),
        files=np.frombuffer(b"".join(each[4] for each in kept), np.uint8),
    )
    return out.getvalue()
