"""The gallery on the Attack Lab: filter, matrix, table and the picked attack."""

from __future__ import annotations

from collections.abc import Set

import pandas as pd
import streamlit as st

from ndcore.attacks import ENGINES
from ndcore.bundles.bundle import Bundle
from ndcore.data.gallery_row import GalleryRow
from ndcore.errors import DataError
from pages.ui.elements.class_matrix import pick_cell
from pages.ui.elements.csv_button import formats
from pages.ui.elements.picked_row import picked_row
from pages.ui.elements.pictures import show_image
from pages.ui.frame.link import choice, switch
from pages.ui.frame.words import counted, plain, sentence
from pages.ui.images.gallery import rows_here
from pages.ui.images.send_buttons import send_buttons
from pages.ui.lab.by_hand import Subject, drive

CHART_WIDTH = 460
FILTER_WIDTH = 160


def choose_from_gallery(bundle: Bundle) -> None:
    """A table of attacks; the picked one is shown and can be sent on."""
    if not bundle.gallery:
        st.info("This bundle has no gallery; attack some images of your own.")
        return
    here = {row.id for row in rows_here(bundle)}
    rows = _filtered(bundle, here)
    if not rows:
        st.info(
            "No attack fits. Choose other classes, switch off “Only images on this machine”, or "
            "get the images with `python -m ndcore data fetch cifar10`."
        )
        return
    columns = st.container(horizontal=True, gap="small")
    cells = [
        (bundle.class_index(row.true), bundle.class_index(row.predicted_after)) for row in rows
    ]
    cell = pick_cell(
        columns.container(width=CHART_WIDTH),
        bundle.classes,
        cells,
        title="What one pixel made of each class",
        key="gallery_cell",
        held=False,
    )
    if cell is not None:
        rows = [row for row, its in zip(rows, cells, strict=True) if its == cell]
    with columns.container(width=CHART_WIDTH):
        picked = _table(rows, here)
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
            "before": [row.predicted_before for row in rows],
            "after": [row.predicted_after for row in rows],
            "queries": [row.queries for row in rows],
            "sure before": [100 * row.confidence_before for row in rows],
            "sure after": [100 * row.confidence_after for row in rows],
        }
    )
    if not all(row.id in here for row in rows):
        frame.insert(1, "here", ["yes" if row.id in here else "no" for row in rows])
    picked = picked_row(
        frame,
        [row.id for row in rows],
        key="gallery_row",
        height=420,
        column_config=formats({"%.1f%%": ("sure before", "sure after")})
        | {"here": st.column_config.TextColumn(help="Whether the image is on this machine.")},
    )
    st.caption("Tick a row to see the pair.")
    return picked or 0


def _show(bundle: Bundle, row: GalleryRow) -> None:
    """One attack of the gallery, drawn where its image is here."""
    st.divider()
    before, after = plain(row.predicted_before), plain(row.predicted_after)
    st.subheader(f"{plain(row.id)}: {before} → {after}")
    try:
        pair = row.look_up()
    except DataError as error:
        st.info(f"{sentence(error)} The pixels and colours of this attack are known all the same:")
        changes = pd.DataFrame([change.to_dict() for change in row.pixels])
        st.dataframe(changes, hide_index=True, key="gallery_pixels")
        return
    line = st.container(horizontal=True, gap="small")
    for when, image, (name, share) in zip(
        ("Before", "After"), pair.images, row.answers, strict=True
    ):
        caption = f"{when}: {name} {100 * share:.1f}%"
        show_image(image, caption, changes=pair.changes, place=line.container(width=230), width=230)
    engine = ENGINES.get(row.engine or "")
    name = f"the {engine.title.lower()}" if engine else "an unknown engine"
    seed = "unknown" if row.seed is None else row.seed
    st.caption(f"{row.queries:,} queries of {name}, seed {seed}.")
    send_buttons(bundle, pair, "gallery")
    st.markdown("**Pixel by pixel**: change the attack and read what the model says.")
    drive(bundle, Subject(row.id, pair, bundle.class_index(row.true)), "gallery_hand")
