"""What is proven: of a bundle at the top of the page, and of an image under its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.manifest import EVALUATION, GALLERY, two_pixels_of
from ndcore.figures.detector.certificate import proven_two_words, proven_words
from pages.ui.detector.cards import Card
from pages.ui.detector.search import Subject
from pages.ui.elements.certificate import certificates_of, show_certificate


def show_proven(bundle: Bundle) -> None:
    """As `certify --ship` found it; nothing where nobody asked."""
    sets = bundle.certificates
    if EVALUATION not in sets:
        return
    found = sets[EVALUATION]
    told = proven_words(found["summary"], sets.get(GALLERY, found)["summary"])
    if two := sets.get(two_pixels_of(EVALUATION)):
        told = f"{told} {proven_two_words(two['summary']['two_pixels'])}".strip()
    if told:
        st.markdown(
            told,
            help=f"Made by `{found['command']}`, on images that took no part in "
            "training. It holds for this network, as it answers 8-bit images of its own size in "
            "float32, against whoever changes exactly one pixel and knows all of this.",
        )


def show_proofs(bundle: Bundle, found: Sequence[Subject], cards: Sequence[Card]) -> None:
    """Made as a job, which is shown here while it runs; then a line for each image's card."""
    proofs = certificates_of(bundle, [pixels for _, pixels, _ in found])
    for (_, pixels, _), card, proof in zip(found, cards, proofs, strict=False):
        show_certificate(bundle, pixels, proof, card.foot)
