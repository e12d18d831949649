"""The gallery on the Attack Lab: filter, matrix, table and the picked attack."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.errors import DataError
from ndcore.figures.lab.batch import HELD, class_matrix, count_outcomes
from pages.ui.elements.class_matrix import forget_cell, pick_cell
from pages.ui.elements.pictures import show_image
from pages.ui.images.gallery import _here, gallery_pair
from pages.ui.images.send_buttons import send_buttons
from pages.ui.lab.by_hand import Subject, drive

__all__ = ["CHART_WIDTH", "FILTER_WIDTH", "MATRIX", "choose_from_gallery"]

CHART_WIDTH = 460
FILTER_WIDTH = 160
MATRIX = "gallery_matrix"


def choose_from_gallery(bundle: Bundle) -> None:
    """A table of attacks; the picked one is shown and can be sent on."""
    rows = bundle.gallery
    if not rows:
        st.info("This bundle has no gallery; attack some images of your own.")
        return
    here = _here(bundle.manifest["files"]["gallery.json"], rows)
    bar = st.container(horizontal=True, vertical_alignment="bottom")
    true = _filter(bar, bundle, "True class", "gallery_true")
    after = _filter(bar, bundle, "Became", "gallery_after")
    only_here = bar.toggle(
        "Only images on this machine",
        value=True,
        key="gallery_here",
        help="The gallery holds ids, pixels and colours, but no image.",
    )
    members = [
        i
        for i, row in enumerate(rows)
        if (here[i] or not only_here)
        and (not true or row["true"] == true)
        and (not after or row["predicted_after"] == after)
    ]
    st.caption(
        f"{len(rows):,} verified attacks, {sum(here):,} of them on images that are on this "
        f"machine; {len(members):,} fit the filter. Each was found and confirmed beforehand."
    )
    if not members:
        st.info(
            "No attack fits. Choose other classes, switch off “Only images on this machine”, or "
            "get the images with `python -m ndcore data fetch cifar10`."
        )
        return
    columns = st.container(horizontal=True, gap="small")
    cell = _matrix(bundle, [rows[i] for i in members], columns.container(width=CHART_WIDTH))
    if cell is not None:
        names = [*bundle.classes, HELD]
        in_cell = [
            i
            for i in members
            if (rows[i]["true"], rows[i]["predicted_after"]) == (names[cell[0]], names[cell[1]])
        ]
        members = in_cell or members
    with columns.container(width=CHART_WIDTH):
        picked = _table(bundle, rows, members, here)
    _show(bundle, rows[picked])


def _filter(bar, bundle: Bundle, label: str, key: str) -> str:
    return bar.selectbox(
        label,
        ["", *bundle.classes],
        format_func=lambda name: name or "all classes",
        key=f"{key}_{bundle.name}",
        width=FILTER_WIDTH,
    )


def _matrix(bundle: Bundle, rows: list[dict[str, Any]], place) -> tuple[int, int] | None:
    counts = count_outcomes(
        [bundle.class_index(row["true"]) for row in rows],
        [bundle.class_index(row["predicted_after"]) for row in rows],
        [True] * len(rows),
        len(bundle.classes),
    )
    title = "What one pixel made of each class"
    figure = class_matrix(counts, bundle.classes, title=title, held=False)
    cell = pick_cell(figure, place, MATRIX)
    if cell is None:
        place.caption("Click a cell to list only its attacks.")
    else:
        place.button(
            "Show all again",
            icon=":material/close:",
            on_click=forget_cell,
            args=(MATRIX,),
            key="gallery_all_cells",
        )
    return cell


def _table(bundle: Bundle, rows: list[dict[str, Any]], members: list[int], here: list[bool]) -> int:
    """The attacks as a table; returns the position of the picked one."""
    shown = [rows[i] for i in members]
    frame = pd.DataFrame(
        {
            "image": [row["id"] for row in shown],
            "before": [row["predicted_before"] for row in shown],
            "after": [row["predicted_after"] for row in shown],
            "queries": [row["queries"] for row in shown],
            "sure before": [100 * row["confidence_before"] for row in shown],
            "sure after": [100 * row["confidence_after"] for row in shown],
        }
    )
    if not all(here[i] for i in members):
        frame.insert(1, "here", ["yes" if here[i] else "no" for i in members])
    percent = st.column_config.NumberColumn(format="%.1f%%")
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        height=420,
        key=f"gallery_{bundle.name}",
        column_config={
            "sure before": percent,
            "sure after": percent,
            "here": st.column_config.TextColumn(help="Whether the image is on this machine."),
        },
    )
    picked = event["selection"]["rows"]
    st.caption("Tick a row to see the pair.")
    return members[picked[0] if picked and picked[0] < len(members) else 0]


def _show(bundle: Bundle, row: dict[str, Any]) -> None:
    """One attack of the gallery, drawn where its image is here."""
    st.divider()
    st.subheader(f"{row['id']}: {row['predicted_before']} → {row['predicted_after']}")
    try:
        pair = gallery_pair(row)
    except DataError as error:
        text = f"{str(error)[:1].upper()}{str(error)[1:]}"
        st.info(f"{text}. The pixels and colours of this attack are known all the same:")
        st.dataframe(pd.DataFrame(row["pixels"]), hide_index=True, key="gallery_pixels")
        return
    line = st.container(horizontal=True, gap="small")
    for when, image in (("before", pair.benign), ("after", pair.attacked)):
        told = f"{row[f'predicted_{when}']} {100 * row[f'confidence_{when}']:.1f}%"
        caption = f"{when.capitalize()}: {told}"
        show_image(image, caption, changes=pair.changes, place=line.container(width=230), width=230)
    st.caption(
        f"{row['queries']:,} queries of the engine {row.get('engine', 'unknown')}, seed "
        f"{row.get('seed', 'unknown')}."
    )
    send_buttons(bundle, pair, "gallery")
    st.markdown("**Pixel by pixel**: change the attack and read what the model says.")
    drive(
        bundle,
        Subject(
            name=row["id"],
            image_id=pair.image_id,
            benign=pair.benign,
            label=bundle.class_index(row["true"]),
            start=pair.changes,
        ),
        "gallery_hand",
    )
