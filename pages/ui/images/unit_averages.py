"""What drives units of a concept graph, averaged: from images that are here, else as kept."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ndcore.analysis.mechanism.unit_pictures import averaged, unit_pictures
from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Node, Unit
from ndcore.errors import NeuralDivergenceError
from pages.ui.images.natural_errors import sources_for


def unit_averages(
    bundle: Bundle, nodes: Iterable[Node], labels: Iterable[int] = ()
) -> dict[Unit, NDArray[np.uint8]]:
    """What drives each unit most, averaged.

    Args:
        bundle: on show.
        nodes: the units, with the patches that drive them.
        labels: classes whose kept pictures stand for units whose images are not on this machine.
    """
    patches = {node.unit: node.patches for node in nodes}
    pixels = _pixels(bundle, {patch.image for few in patches.values() for patch in few})
    found = {unit: averaged(few, pixels, bundle.shape) for unit, few in patches.items()}
    kept: dict[Unit, NDArray[np.uint8]] = {}
    if not all(picture is not None for picture in found.values()):
        for label in labels:
            kept = unit_pictures(bundle, label) | kept
    pictures = {unit: kept.get(unit) if own is None else own for unit, own in found.items()}
    return {unit: picture for unit, picture in pictures.items() if picture is not None}


def _pixels(bundle: Bundle, keys: set[str]) -> dict[str, NDArray[np.uint8]]:
    """Pixels of those images that are on this machine; each source is read at once."""
    found: dict[str, NDArray[np.uint8]] = {}
    for source in sources_for(bundle).values():
        here = sorted(key for key in keys - found.keys() if key in source.places)
        try:
            images = source.pixels([source.places[key] for key in here])
        except NeuralDivergenceError:
            continue
        found |= dict(zip(here, images, strict=True))
    return found
