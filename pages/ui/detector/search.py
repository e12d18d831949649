"""Every pixel of an image repaired in turn, and a second where one is not enough.

Once per server, as a job where it takes long.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.attacks import PixelChange
from ndcore.bundles.bundle import Bundle
from ndcore.data.pixels import image_key
from ndcore.detectors import Verdict
from ndcore.detectors.by_repair import RepairDetector
from ndcore.detectors.repair import Repairs
from ndcore.detectors.second_repair import SecondRepair
from pages.ui.elements.made_once import MadeOnce
from pages.ui.frame.known_signature import known_signature

PATIENCE_S = 2.0  # a search that takes longer shows how far it is
REPAIRS = MadeOnce[Repairs](
    kind="search",
    label="search for the pixel in",
    again=("Search again", ":material/search:"),
    course=lambda of: f"Every pixel{of}",
    kept=64,
    stopped="the search for the pixel was stopped",
)
AGAIN = MadeOnce[SecondRepair | None](
    kind="second",
    label="search for a second pixel in",
    again=("Search for a second pixel", ":material/search:"),
    course=lambda of: f"Every pixel{of}, the suspect being repaired",
    kept=64,
    stopped="the search for a second pixel was stopped",
)
# Name, pixels uint8 (H, W, C) and known changes of an image.
Subject = tuple[str, NDArray[np.uint8], list[PixelChange]]


def known_repairs(bundle: Bundle, found: Sequence[Subject]) -> list[Repairs]:
    """The repairs of these images, if this server has made them all."""
    return REPAIRS.known(bundle, [pixels for _, pixels, _ in found])


def repairs_of(bundle: Bundle, by: RepairDetector, found: Sequence[Subject]) -> list[Repairs]:
    """Every pixel of every image repaired in turn; none until the search is through.

    One that lasts is shown here with Stop; one that was stopped waits for a button.
    """
    return REPAIRS.of(
        bundle,
        [pixels for _, pixels, _ in found],
        lambda pixels: by.see(pixels[None]),
        patience_s=PATIENCE_S,
        spinner="Looking at every pixel …",
    )


def explained(
    bundle: Bundle, by: RepairDetector, pixels: NDArray[np.uint8], repairs: Repairs, alpha: float
) -> Verdict:
    """What the repairs of an image say of it, made once per server."""
    calibrated = by.calibration.digest if by.fitted else ""
    key = image_key(bundle.weight_hash, pixels)
    return _explained(by.name, calibrated, key, alpha, by, repairs)


@st.cache_resource(max_entries=1024, show_spinner=False)
@known_signature
def _explained(
    name: str, calibrated: str, key: str, alpha: float, _by: RepairDetector, _repairs: Repairs
) -> Verdict:
    return _by.explain(_repairs, alpha)[0]


def known_second(bundle: Bundle, pixels: NDArray[np.uint8]) -> SecondRepair | None:
    """The second repair of an image, if this server has made one."""
    return next(iter(AGAIN.known(bundle, [pixels])), None)


def seconds_of(
    bundle: Bundle,
    best: RepairDetector,
    found: Sequence[Subject],
    repairs: Sequence[Repairs],
    alpha: float,
) -> None:
    """Make the second repair of those images whose suspect alone leaves the label."""
    asked = {
        subject[1].tobytes(): (subject[1], one)
        for subject, one in zip(found, repairs, strict=True)
        if best.fitted and best.asks_again(explained(bundle, best, subject[1], one, alpha))
    }
    if asked:
        AGAIN.of(
            bundle,
            [pixels for pixels, _ in asked.values()],
            lambda pixels: best.look_again(pixels, asked[pixels.tobytes()][1]),
            patience_s=PATIENCE_S,
            spinner="Looking for a second pixel …",
        )
