"""The gallery on the Attack Lab: filter, matrix, table and the picked attack."""

from __future__ import annotations

from collections.abc import Set

import pandas as pd
import streamlit as st

from ndcore.attacks import ENGINES
from ndcore.bundles.bundle import Bundle
from ndcore.data.gallery_row import GalleryRow
from ndcore.errors import DataError
from ndcore.legible.plurals import counted
from pages.ui.elements.class_matrix import pick_cell
from pages.ui.elements.csv_button import formats
from pages.ui.elements.picked_row import picked_row
from pages.ui.frame import loaders
from pages.ui.frame.link import choice, switch, tabs
from pages.ui.frame.words import plain, sentence
from pages.ui.images.gallery import rows_here, where_images
from pages.ui.images.send_buttons import send_buttons
from pages.ui.images.tray import read
from pages.ui.lab.by_hand import Subject, drive
from pages.ui.lab.panes import beside
from pages.ui.lab.result import HAND, PICTURES, show_pictures

LIST_WIDTH = 430
FILTER_WIDTH = 140


def choose_from_gallery(bundle: Bundle) -> None:
    """A list of attacks to pick from, and beside it the picked one."""
    if not bundle.gallery:
        st.info("This bundle has no gallery; attack some images of your own.")
        return
    left, right = beside(LIST_WIDTH)
    here = {row.id for row in rows_here(bundle)}
    with left:
        rows = _filtered(bundle, here)
    if not rows:
        right.info(
            "No attack fits. Choose other classes, or switch off “Only images on this machine”. "
            f"{where_images(bundle) if len(here) < len(bundle.gallery) else ''}"
        )
        return
    cells = [
        (bundle.class_index(row.true), bundle.class_index(row.predicted_after)) for row in rows
    ]
    listed = left.container()
    cell = pick_cell(
        left,
        bundle.classes,
        cells,
        title="What one pixel made of each class",
        key="gallery_cell",
        held=False,
    )
    if cell is not None:
        rows = [row for row, its in zip(rows, cells, strict=True) if its == cell]
    with listed:
        picked = _table(rows, here)
    with right:
        _show(bundle, rows[picked])


def _filtered(bundle: Bundle, here: Set[str]) -> list[GalleryRow]:
    """The attacks that fit the filter, and how many there are."""
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    true, after = (
        choice(
            bar.selectbox,
            label,
            ["", *bundle.classes],
            key=f"{name}_{bundle.name}",
            name=name,
            format_func=lambda label: label or "all classes",
            width=FILTER_WIDTH,
        )
        for label, name in (("True class", "gallery_true"), ("Became", "gallery_after"))
    )
    only_here = switch(
        bar.toggle,
        "Only images on this machine",
        key="gallery_here",
        default=True,
        help="The gallery holds ids, pixels and colours, but no image.",
    )
    fit = [
        row
        for row in bundle.gallery
        if (row.id in here or not only_here)
        and true in ("", row.true)
        and after in ("", row.predicted_after)
    ]
    known = sum(row.id in here for row in bundle.gallery)
    st.caption(
        f"{counted(len(bundle.gallery), 'verified attack')}, {known:,} of them on images that are "
        f"on this machine; {len(fit):,} fit the filter. Each was found and confirmed beforehand."
    )
    return fit


def _table(rows: list[GalleryRow], here: Set[str]) -> int:
    """The attacks as a table; returns the position of the picked one, the first without one."""
    frame = pd.DataFrame(
        {
            "image": [row.id for row in rows],
            "benign": [row.predicted_before for row in rows],
            "attacked": [row.predicted_after for row in rows],
            "queries": [row.queries for row in rows],
            "sure, benign": [100 * row.confidence_before for row in rows],
            "sure, attacked": [100 * row.confidence_after for row in rows],
        }
    )
    if not all(row.id in here for row in rows):
        frame.insert(1, "here", ["yes" if row.id in here else "no" for row in rows])
    picked = picked_row(
        frame,
        [row.id for row in rows],
        key="gallery_row",
        height=260,
        column_config=formats({"%.1f%%": ("sure, benign", "sure, attacked")})
        | {"here": st.column_config.TextColumn(help="Whether the image is on this machine.")},
    )
    st.caption("Tick a row to see the pair.")
    return picked or 0


def _show(bundle: Bundle, row: GalleryRow) -> None:
    """One attack of the gallery, drawn where its image is here."""
    benign, attacked = plain(row.predicted_before), plain(row.predicted_after)
    st.header(f"{plain(row.id)}: {benign} → {attacked}")
    try:
        pair = row.look_up(loaders.find(bundle))
    except DataError as error:
        st.info(f"{sentence(error)} The pixels and colours of this attack are known all the same:")
        changes = pd.DataFrame([change.to_dict() for change in row.pixels])
        st.dataframe(changes, hide_index=True, key="gallery_pixels")
        return
    engine = ENGINES.get(row.engine or "")
    name = f"the {engine.title.lower()}" if engine else "an unknown engine"
    seed = "unknown" if row.seed is None else row.seed
    st.markdown(f"{counted(row.queries, 'query', 'queries')} of {name}, seed {seed}.")
    send_buttons(bundle, pair, "gallery")
    pictures, pixels = tabs((PICTURES, HAND), key="gallery_tab")
    if pictures.open:
        with pictures:
            before, after = read(bundle, pair.images).probabilities
            show_pictures(bundle, pair, (before, after), "gallery_probabilities")
    if pixels.open:
        with pixels:
            st.caption("Change the attack and read what the model says.")
            label = bundle.class_index(row.true)
            drive(bundle, Subject(row.id, pair, label), "gallery_hand")
