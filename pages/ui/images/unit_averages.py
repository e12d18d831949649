"""What drives units of a concept graph, averaged from images that are on this machine."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.concept_graph import Node, Unit
from ndcore.errors import NeuralDivergenceError
from ndcore.evolution.averages import average_of
from ndcore.evolution.patches import Patches
from pages.ui.images.natural_errors import sources_for


def unit_averages(bundle: Bundle, nodes: Iterable[Node]) -> dict[Unit, NDArray[np.uint8]]:
    """What drives each unit most, averaged; only of units whose images are on this machine."""
    kept = {node.unit: node.patches for node in nodes if node.patches}
    pixels = _pixels(bundle, {patch.image for patches in kept.values() for patch in patches})
    height, width = bundle.shape[:2]
    found = {}
    for unit, patches in kept.items():
        here = [patch for patch in patches if patch.image in pixels]
        if not here:
            continue
        average, _ = average_of(
            np.stack([pixels[patch.image] for patch in here]),
            Patches(
                keys=tuple(patch.image for patch in here),
                labels=np.zeros(len(here), np.int64),
                boxes=np.array([patch.box or (0, 0, height, width) for patch in here], np.int64),
                activations=np.array([patch.activation for patch in here], np.float32),
            ),
            bundle.shape,
        )
        if average.image is not None:
            found[unit] = average.image
    return found


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
