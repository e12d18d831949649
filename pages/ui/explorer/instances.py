"""The Instances view of the Explorer: a tray of single images, each on or off alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.figures.style.marks import mark_image
from ndcore.figures.style.palette import ATTACKED, instance_colours
from pages.ui.elements.pictures import show_image
from pages.ui.explorer.add_instance import add_instance
from pages.ui.frame.page_list import LAB
from pages.ui.frame.pair import current_pair
from pages.ui.frame.theme import page_ink, page_theme
from pages.ui.frame.words import plain, with_article
from pages.ui.images.tray import (
    SLOTS,
    Entry,
    further,
    keys_of,
    make_current,
    read,
    remember_switches,
    remove,
    switch,
)

CARD = 264  # CSS pixels; two beside each other in a wide column, one in a narrow one
THUMBNAIL = 88
CELL = 106
SCROLLS_FROM = 3  # instances; more than two scroll, so that they do not push the page down
HEIGHT = 440
# A click anywhere in a cell is one on its switch; what is switched off is grey.
STYLE = (
    "<style>[class*=st-key-cell_]{position:relative}"
    "[class*=st-key-cell_] :is(label,[data-testid=stElementContainer]){position:static}"
    "[class*=st-key-cell_] label::after{content:'';position:absolute;inset:0;cursor:pointer}"
    "[class*=st-key-cell_]:has(input:not(:checked)) img{filter:grayscale(1);opacity:0.4}</style>"
)
SHAPES = {
    "benign": "ring",
    "attacked": "diamond",
    "image": "square",
    "upload": "square",
    "error": "triangle",
}


@dataclass(frozen=True)
class Shown:
    """One image as dots.

    Attributes:
        key: stable and short: `benign` and `attacked` of the current pair; `2.benign`,
            `2.attacked`, `3.image` of further instances.
        label: what the dots are called, such as `attacked → dog` or `2 error: cat → dog`.
        colour: `#rrggbb`, or `ink` for the current pair's benign image.
        shape: `circle`, `diamond`, `ring`, `square` or `triangle`.
        entry: 1 for the current pair, from 2 on for others; one instance's images belong together.
        pixels: uint8 (H, W, C).
        predicted: class position.
        label_true: class position, or None when unknown.
    """

    key: str
    label: str
    colour: str
    shape: str
    entry: int
    pixels: NDArray[np.uint8]
    predicted: int
    label_true: int | None


def instances_view(bundle: Bundle) -> list[Shown]:
    """Draw the tray; returns the images that are switched on, those of the current pair first."""
    pair = current_pair(bundle)
    entries = further(bundle)
    if pair is not None:
        entries = {1: Entry(pair, pair.image_id or "upload")} | entries
    head = st.container(horizontal=True, vertical_alignment="center")
    head.markdown("**Instances**", width="stretch")
    add_instance(bundle, head)
    if not entries:
        st.info(
            "No image is chosen, so only class distributions are drawn. Attack one in the "
            "Attack Lab, or add an instance, to see it as dots."
        )
        st.page_link(LAB.path, label=f"Open the {LAB.name}", icon=LAB.icon)
        return []
    reading = read(bundle, [image for entry in entries.values() for image in entry.pair.images])
    sure = reading.probabilities.max(1)
    tray = st.container(
        horizontal=True,
        gap="small",
        height=HEIGHT if len(entries) >= SCROLLS_FROM else "content",
        border=False,
        key="tray",
    )
    tray.html(STYLE)
    found: list[Shown] = []
    off: list[str] = []
    row = 0
    for slot, entry in entries.items():
        with tray.container(border=True, width=CARD, gap="xsmall", key=f"instance_{slot}"):
            _heading(bundle, slot, entry)
            cells = st.container(horizontal=True, gap="small")
        for image in _shown_of(bundle, slot, entry.pair, reading.predicted[row:]):
            with cells.container(width=CELL, gap="xsmall", key=f"cell_{image.key}"):
                on = _switched(bundle, image, entry.pair, float(sure[row]))
            row += 1
            if on:
                found.append(image)
            else:
                off.append(image.key)
    remember_switches(off)
    if any(not entry.pair.token() for entry in entries.values()):
        st.caption(
            ":material/link_off: Uploads and images with many changed pixels stay in this session; "
            "a link cannot hold them."
        )
    return found


def _shown_of(bundle: Bundle, slot: int, pair: Pair, predicted: NDArray[np.int64]) -> list[Shown]:
    """The one or two images of an instance, with the marks that tell them apart.

    Args:
        bundle: names the classes.
        slot: 1 for the current pair.
        pair: one image when it was not attacked.
        predicted: of those images, in order; more may follow.
    """
    true = _known(bundle, pair)
    found = []
    for key, pixels, label in zip(
        keys_of(slot, pair), pair.images, predicted.tolist(), strict=False
    ):
        part = key.rpartition(".")[2]
        says = bundle.classes[label]
        if slot == 1:
            look = {"benign": ("ink", "circle"), "attacked": (ATTACKED, "diamond")}[part]
            told = f"{part} → {says}"
        else:
            kind = part
            if part == "image" and true not in (None, label):
                kind, says = "error", f"{bundle.classes[true]} → {says}"
            elif part == "image" and not pair.image_id:
                kind = "upload"
            look = (instance_colours(len(SLOTS), page_theme())[slot - SLOTS[0]], SHAPES[kind])
            told = f"{slot} error: {says}" if kind == "error" else f"{slot} {kind} → {says}"
        found.append(Shown(key, told, *look, slot, pixels, label, true))
    return found


def _heading(bundle: Bundle, slot: int, entry: Entry) -> None:
    """Number, name and true class of an instance, and what can be done with it."""
    true = _known(bundle, entry.pair)
    class_ = "true class unknown" if true is None else plain(with_article(bundle.classes[true]))
    line = st.container(horizontal=True, vertical_alignment="center", gap="xsmall")
    current = " current" if slot == 1 else ""
    line.markdown(f"**{slot}{current}** {plain(entry.name)}, {class_}", width="stretch")
    if slot != 1:
        line.button(
            ":material/looks_one:",
            help=f"Make instance {slot} the current pair",
            type="tertiary",
            on_click=make_current,
            args=(bundle, slot),
            key=f"current_{slot}",
        )
    line.button(
        ":material/close:",
        help=f"Remove instance {slot}",
        type="tertiary",
        on_click=remove,
        args=(bundle, slot),
        key=f"remove_{slot}",
    )


def _switched(bundle: Bundle, image: Shown, pair: Pair, sure: float) -> bool:
    """One image with its mark and switch; returns whether it is on."""
    show_image(
        image.pixels,
        f"taken for {bundle.classes[image.predicted]} ({100 * sure:.0f}%)",
        changes=pair.changes,
        width=THUMBNAIL,
    )
    colour = page_ink() if image.colour == "ink" else image.colour
    word = "error" if image.shape == "triangle" else image.key.rpartition(".")[2]
    mark = f"![{image.shape}]({mark_image(image.shape, colour)})"
    return bool(st.toggle(f"{mark} {word}", key=switch(image.key)))


def _known(bundle: Bundle, pair: Pair) -> int | None:
    """True class, where it is one of the bundle's; that of an upload was only guessed."""
    if not pair.image_id or pair.label is None or not 0 <= pair.label < len(bundle.classes):
        return None
    return pair.label
