"""What is proven of the images on a page: made once per server, as a job, and told in a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.certificate import Certificate, certify
from ndcore.figures.detector.certificate import certificate_words
from ndcore.legible.plurals import counted
from pages.ui.elements.made_once import MadeOnce
from pages.ui.elements.pictures import show_image
from pages.ui.frame.words import plain

WIDTH = 220
BADGES = {"Not proven": ":orange-badge[Not proven]", "Proven": ":green-badge[Proven]"}
CERTIFICATES = MadeOnce[Certificate](
    kind="certificate",
    label="certificate of",
    again=("Certify", ":material/verified_user:"),
    course=lambda of: f"Certificate: every pixel{of}, in float32",
    kept=256,
)


def known_certificate(bundle: Bundle, pixels: NDArray[np.uint8]) -> Certificate | None:
    """The certificate of an image uint8 (H, W, C), if this server has made it."""
    return next(iter(CERTIFICATES.known(bundle, [pixels])), None)


def certificates_of(bundle: Bundle, images: Sequence[NDArray[np.uint8]]) -> list[Certificate]:
    """The certificate of every image; none until all are made, which is shown here with Stop.

    What was stopped waits for a button.
    """
    return CERTIFICATES.of(bundle, images, lambda pixels: certify(bundle.model, pixels[None])[0])


def with_badge(words: str) -> str:
    """Words that begin with what is proven, or not, the beginning as a badge."""
    for start, badge in BADGES.items():
        if words.startswith(start):
            return f"{badge} {words.removeprefix(start).removeprefix(':').strip()}"
    return words


def show_certificate(
    bundle: Bundle, pixels: NDArray[np.uint8], found: Certificate, place: DeltaGenerator
) -> None:
    """In words and, where there are holes, dotted on the image."""
    words = certificate_words(found.to_dict([plain(name) for name in bundle.classes]))
    place.markdown(with_badge(words))
    if found.holes:
        holes = np.unique([(hole.row, hole.col) for hole in found.holes], axis=0)
        told = f"{counted(len(holes), 'pixel')} where a change could pass, dotted"
        show_image(pixels, told, candidates=holes, width=WIDTH, place=place)
