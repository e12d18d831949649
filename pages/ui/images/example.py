"""The example that every page can show before anything was chosen: an attack of the gallery."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.bundles.bundle import Bundle
from ndcore.data.gallery_row import GalleryRow
from ndcore.data.pairs import Pair
from ndcore.errors import DataError
from pages.ui.elements.pictures import show_image
from pages.ui.frame import loaders
from pages.ui.frame.link import recall
from pages.ui.frame.page_list import LAB
from pages.ui.frame.pair import current_pair, keep_pair, no_pair_wanted
from pages.ui.frame.story_banner import STORY
from pages.ui.frame.words import plain, with_article
from pages.ui.images.gallery import rows_here


def example(bundle: Bundle) -> tuple[GalleryRow, Pair] | None:
    """The gallery attack that the story is about: a cat where there is one on this machine."""
    here = rows_here(bundle)
    known = [row for row in here if ":" in row.id] or here[:1]
    row = next((row for row in known if row.true == "cat"), known[0] if known else None)
    if row is None:
        return None
    try:
        return row, row.look_up(loaders.find(bundle))
    except DataError:
        return None


def show_example(bundle: Bundle, width: int, place: DeltaGenerator) -> None:
    """The example before and after, and what it is, where there is one."""
    found = example(bundle)
    if found is None:
        return
    row, pair = found
    for (name, share), image in zip(row.answers, pair.images, strict=True):
        caption = f"{name}, {100 * share:.0f}% sure"
        where = place.container(width=width)
        show_image(image, caption, changes=pair.changes, width=width, place=where)
    place.caption(_words(row), width="content")


def _words(row: GalleryRow) -> str:
    true, after = (plain(with_article(name)) for name in (row.true, row.predicted_after))
    return f"**The example**: {true}, taken for {after} once one pixel is changed."


def offer_example(bundle: Bundle) -> None:
    """Where no pair was chosen or taken away, the example becomes the current one.

    While it is, a line says so and leads to other images; the story says it itself.
    """
    pair, found = current_pair(bundle), example(bundle)
    if found is None:
        return
    row, offered = found
    if pair is None and not no_pair_wanted():
        pair = offered
        keep_pair(bundle, pair)
    if pair is not None and pair.token() == offered.token() and not recall(STORY):
        line = st.container(horizontal=True, vertical_alignment="center", key="example")
        line.caption(_words(row), width="content")
        line.page_link(LAB.path, label=f"Choose your own in the {LAB.name}", icon=LAB.icon)
