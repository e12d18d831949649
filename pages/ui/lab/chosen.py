"""Images before their attack: what was chosen, and what the model says to it."""

from __future__ import annotations

import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import Choice
from ndcore.data.decode import small_png
from ndcore.data.pairs import Pair
from ndcore.figures.style.image_tiles import ImageTile, image_tiles
from ndcore.legible.plurals import counted
from pages.ui.frame.words import plain, with_article
from pages.ui.images.example import example
from pages.ui.images.send_buttons import send_buttons
from pages.ui.images.tray import read
from pages.ui.lab.result import show_pictures

MOST_TILES = 48
TILE = 76  # CSS pixels


def show_chosen(bundle: Bundle, chosen: Choice) -> None:
    """One image with what the model believes, or many as tiles."""
    count = len(chosen.ids)
    if count == 1:
        label = int(chosen.labels[0])
        name = plain(with_article(bundle.classes[label]))
        st.header(f"{name[:1].upper()}{name[1:]}, not attacked yet")
        st.markdown(f"{plain(chosen.names[0])}. Press “Attack”, and a search changes its pixels.")
        before = read(bundle, [chosen.pixels[0]]).probabilities[0]
        pair = Pair(chosen.ids[0], chosen.pixels[0], None, label)
        show_pictures(bundle, pair, (before, None), "chosen_probabilities")
        return
    st.header(f"{counted(count, 'image')}, not attacked yet")
    told = f" The first {MOST_TILES} are drawn." if count > MOST_TILES else ""
    st.markdown(f"Press “Attack {count:,} images”, and each is searched.{told}")
    height, width = chosen.pixels.shape[1:3]
    tiles = [
        ImageTile(small_png(pixels, TILE), (height, width), (), (bundle.classes[int(label)], name))
        for pixels, label, name in zip(
            chosen.pixels[:MOST_TILES], chosen.labels, chosen.names, strict=False
        )
    ]
    st.html(image_tiles(tiles, width=TILE))


def show_first(bundle: Bundle) -> None:
    """Before the first attack: the example, whether attacked or not; else what to do."""
    found = example(bundle)
    if found is None:
        st.info("Choose one or more images, then start the attack.")
        return
    pair, row = found.pair, found.row
    probabilities = read(bundle, pair.images).probabilities
    if row is None:
        true = bundle.classes[0 if pair.label is None else pair.label]
        st.header(f"The example: {plain(with_article(true))}, not attacked yet")
        st.markdown("Click an image and press “Attack” to see whether one pixel fools the network.")
        show_pictures(bundle, pair, (probabilities[0], None), "example_probabilities")
        return
    true, after = (plain(with_article(name)) for name in (row.true, row.predicted_after))
    st.header(f"The example: {true} became {after}")
    took = counted(row.queries, "query", "queries")
    st.markdown(
        f"One pixel, found with {took}. Click an image and press “Attack” to see it happen."
    )
    send_buttons(bundle, pair)
    before, after = probabilities
    show_pictures(bundle, pair, (before, after), "example_probabilities")
