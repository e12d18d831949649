"""The example that every page can show before anything was chosen.

It is an attack of the gallery; where there is none on this machine, an image that nobody attacked.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.bundles.images import own_folder
from ndcore.data.gallery_row import GalleryRow
from ndcore.data.pairs import Pair
from ndcore.errors import NeuralDivergenceError
from pages.ui.elements.pictures import show_image
from pages.ui.frame import loaders
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import recall
from pages.ui.frame.page_list import LAB
from pages.ui.frame.pair import current_pair, keep_pair, no_pair_wanted
from pages.ui.frame.story_banner import STORY
from pages.ui.frame.words import plain, with_article
from pages.ui.images.gallery import LOOK_AGAIN_S, rows_here
from pages.ui.images.picker import ready_sources
from pages.ui.images.tray import read

LOOKED_AT = 5  # images among which one that the network knows is looked for


@dataclass(frozen=True)
class Example:
    """A pair, and its row of the gallery; None with an image that was not attacked."""

    pair: Pair
    row: GalleryRow | None

    def words(self, bundle: Bundle) -> str:
        """What it is, as Markdown."""
        if self.row is None:
            true = "" if self.pair.label is None else bundle.classes[self.pair.label]
            return f"**The example**: {plain(with_article(true))}, not attacked yet."
        true, after = (
            plain(with_article(name)) for name in (self.row.true, self.row.predicted_after)
        )
        return f"**The example**: {true}, taken for {after} once one pixel is changed."


def example(bundle: Bundle) -> Example | None:
    """An attack, of a cat where there is one; else an image that the network gets right."""
    place = str(own_folder(bundle) or "")
    return _example(bundle.manifest["files"]["gallery.json"], bundle.weight_hash, place, bundle)


@st.cache_data(ttl=LOOK_AGAIN_S, max_entries=8, show_spinner=False)
@known_signature
def _example(gallery: str, weight_hash: str, place: str, _bundle: Bundle) -> Example | None:
    here = rows_here(_bundle)
    known = [row for row in here if ":" in row.id] or here[:1]
    row = next((row for row in known if row.true == "cat"), known[0] if known else None)
    try:
        if row is None:
            return _untouched(_bundle)
        return Example(row.look_up(loaders.find(_bundle)), row)
    except NeuralDivergenceError:
        return None


def _untouched(bundle: Bundle) -> Example | None:
    """One of the first held-out images of the first source there is."""
    name = next(iter(ready_sources(bundle)), None)
    if name is None:
        return None
    source = loaders.source(name, bundle)
    held = [key for key in bundle.splits.get("evaluation", ()) if key in source.places]
    places = [source.places[key] for key in held[:LOOKED_AT]] or [*range(len(source))][:LOOKED_AT]
    predicted = loaders.predictions(bundle, name, places)
    right = [at for at, label in zip(places, predicted, strict=True) if label == source.labels[at]]
    at = (right or places)[0]
    return Example(Pair(source.ids[at], source.pixels([at])[0], None, int(source.labels[at])), None)


def show_example(bundle: Bundle, width: int, place: DeltaGenerator) -> None:
    """The example, before and after an attack, and what it is, where there is one."""
    found = example(bundle)
    if found is None:
        return
    pair = found.pair
    answers = found.row.answers if found.row else _answers(bundle, pair)
    for (name, share), image in zip(answers, pair.images, strict=True):
        caption = f"{name}, {100 * share:.0f}% sure"
        where = place.container(width=width)
        show_image(image, caption, changes=pair.changes, width=width, place=where)
    place.caption(found.words(bundle), width="content")


def _answers(bundle: Bundle, pair: Pair) -> tuple[tuple[str, float], ...]:
    """What the network takes each image for, and how sure it is."""
    reading = read(bundle, pair.images)
    names = [bundle.classes[label] for label in reading.predicted.tolist()]
    return tuple(zip(names, reading.confidence.tolist(), strict=True))


def offer_example(bundle: Bundle) -> None:
    """Where no pair was chosen or taken away, the example becomes the current one.

    While it is, a line says so and leads to other images; the story says it itself. Of a model
    that can only be called the example is an attack or none: every look at a new image costs
    queries.
    """
    pair, found = current_pair(bundle), example(bundle)
    if found is None or (found.row is None and bundle.limit):
        return
    if pair is None and not no_pair_wanted():
        pair = found.pair
        keep_pair(bundle, pair)
    if pair is not None and pair.token() == found.pair.token() and not recall(STORY):
        line = st.container(horizontal=True, vertical_alignment="center", key="example")
        line.caption(found.words(bundle), width="content")
        line.page_link(LAB.path, label=f"Choose your own in the {LAB.name}", icon=LAB.icon)
