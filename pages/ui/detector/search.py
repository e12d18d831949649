"""Every pixel of an image repaired in turn: once per server, as a job where it takes long."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks import PixelChange
from ndcore.bundles.bundle import Bundle
from ndcore.detectors.repair import Repairs
from pages.ui.elements.made_once import MadeOnce
from pages.ui.frame import loaders

PATIENCE_S = 2.0  # a search that takes longer shows how far it is
REPAIRS = MadeOnce[Repairs](
    kind="search",
    label="search for the pixel in",
    again=("Search again", ":material/search:"),
    course=lambda of: f"Every pixel{of}",
    kept=64,
    stopped="the search for the pixel was stopped",
)
# Name, pixels uint8 (H, W, C) and known changes of an image.
Subject = tuple[str, NDArray[np.uint8], list[PixelChange]]


def known_repairs(bundle: Bundle, found: Sequence[Subject]) -> list[Repairs]:
    """The repairs of these images, if this server has made them all."""
    return REPAIRS.known(bundle, [pixels for _, pixels, _ in found])


def repairs_of(bundle: Bundle, found: Sequence[Subject]) -> list[Repairs]:
    """Every pixel of every image repaired in turn; none until the search is through.

    One that lasts is shown here with Stop; one that was stopped waits for a button.
    """
    best = loaders.detectors(bundle).repairer()
    return REPAIRS.of(
        bundle,
        [pixels for _, pixels, _ in found],
        lambda pixels: best.see(pixels[None]),
        patience_s=PATIENCE_S,
        spinner="Looking at every pixel …",
    )
