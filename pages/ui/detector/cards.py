"""The judged images as cards: the picture at once, the verdict as soon as there is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.detectors import Verdict
from pages.ui.detector.evidence import guarantee, numbers
from pages.ui.detector.search import Subject
from pages.ui.detector.side_by_side import side_by_side
from pages.ui.elements.pictures import rings, show_image
from pages.ui.frame.words import plain, verdict_sentence
from pages.ui.images.tray import read

LEAST = 270  # CSS pixels of a card
WIDTH = 300  # of its picture, at most
RINGED = ("the changed pixel ringed", "the changed pixels ringed")
WAYS = {
    "between classes": "lower than in nine of ten of its images, as between two classes: where one "
    "changed pixel leaves an image",
    "over-typical": "higher than in nine of ten of its images: where attacks end that go on beyond "
    "the boundary, like PGD",
    "typical": "as in most of its images",
}


@dataclass(frozen=True)
class Card:
    """Where the verdict on an image goes: above its picture, and what it promises below."""

    words: DeltaGenerator
    foot: DeltaGenerator


def image_cards(bundle: Bundle, found: Sequence[Subject]) -> tuple[list[Card], DeltaGenerator]:
    """A card for each image, with what the model takes it for; and a place beside them."""
    row = side_by_side("cards", LEAST)
    reading = read(bundle, [pixels for _, pixels, _ in found])
    cards = []
    for at, (name, pixels, changes) in enumerate(found):
        with row.container(border=True):
            label = plain(bundle.classes[int(reading.predicted[at])])
            st.markdown(
                f"**{name.capitalize()} image**, taken for **{label}** "
                f"({100 * float(reading.confidence[at]):.1f}%)"
            )
            words = st.container()
            ringed = f", {RINGED[len(changes) > 1]}" if rings(changes) else ""
            show_image(pixels, f"{name} image{ringed}", changes=changes, width=WIDTH)
            cards.append(Card(words, st.container()))
    return cards, row.container()


def show_verdict(bundle: Bundle, name: str, verdict: Verdict, card: Card) -> None:
    """A verdict in words and numbers, and what it promises where no evidence follows that does."""
    label = plain(bundle.classes[verdict.predicted])
    card.words.markdown(verdict_sentence(label, name, verdict))
    card.foot.caption(numbers(verdict))
    if not verdict.layers:
        card.foot.caption(guarantee(bundle, verdict))
    if verdict.regime is not None:
        card.foot.caption(
            f"{verdict.regime.capitalize()}: the logit of {label} is {WAYS[verdict.regime]}."
        )
