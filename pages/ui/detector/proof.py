"""Under each verdict a line on what is proven of its image."""

from __future__ import annotations

from collections.abc import Sequence

from ndcore.bundles.bundle import Bundle
from pages.ui.detector.cards import Card
from pages.ui.detector.search import Subject
from pages.ui.elements.certificate import certificates_of, show_certificate


def show_proofs(bundle: Bundle, found: Sequence[Subject], cards: Sequence[Card]) -> None:
    """Made as a job, which is shown here while it runs; then a line for each image's card."""
    proofs = certificates_of(bundle, [pixels for _, pixels, _ in found])
    for (_, pixels, _), card, proof in zip(found, cards, proofs, strict=False):
        show_certificate(bundle, pixels, proof, card.foot)
