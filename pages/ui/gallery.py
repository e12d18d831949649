"""Ready-made, verified attacks of a bundle; their images are looked up, never shipped."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from ndcore.attacks import PixelChange, apply_changes
from ndcore.bundle import Bundle
from ndcore.data import find_image
from ndcore.errors import DataError
from ndcore.pairs import Pair
from pages.ui.page import keep_pair
from pages.ui.pictures import show_image

__all__ = ["choose_from_gallery", "gallery_pair"]


def gallery_pair(row: dict) -> Pair:
    """The pair of one gallery row.

    Raises:
        DataError: its image is not on this machine.
    """
    benign, label = find_image(row["id"])
    changes = [
        PixelChange(p["row"], p["col"], tuple(p["rgb_before"]), tuple(p["rgb_after"]))
        for p in row["pixels"]
    ]
    return Pair(row["id"], benign, apply_changes(benign, changes), label)


def choose_from_gallery(bundle: Bundle) -> None:
    """A table of attacks; the picked one is shown and can be sent on."""
    rows = bundle.gallery
    if not rows:
        st.info("This bundle has no gallery; attack some images of your own.")
        return
    frame = pd.DataFrame(
        {
            "image": [row["id"] for row in rows],
            "before": [row["predicted_before"] for row in rows],
            "after": [row["predicted_after"] for row in rows],
            "confidence before": [100 * row["confidence_before"] for row in rows],
            "confidence after": [100 * row["confidence_after"] for row in rows],
            "queries": [row["queries"] for row in rows],
        }
    )
    percent = st.column_config.NumberColumn(format="%.1f%%")
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"gallery_{bundle.name}",
        column_config={"confidence before": percent, "confidence after": percent},
    )
    picked = event["selection"]["rows"]
    row = rows[picked[0] if picked and picked[0] < len(rows) else 0]
    st.caption("Click a row to see the pair.")
    try:
        pair = gallery_pair(row)
    except DataError as error:
        st.warning(f"{str(error)[:1].upper()}{str(error)[1:]}")
        return
    left, middle, right = st.columns([1, 1, 2])
    for place, when, image in ((left, "before", pair.benign), (middle, "after", pair.attacked)):
        told = f"{row[f'predicted_{when}']} {100 * row[f'confidence_{when}']:.1f}%"
        caption = f"{when.capitalize()}: {told}"
        show_image(image, caption, changes=pair.changes, width=240, place=place)
    link = {"bundle": bundle.name, "pair": pair.token()}
    with right:
        if st.button("See the neurons", icon=":material/neurology:", key="gallery_explorer"):
            keep_pair(bundle, pair)
            st.switch_page("pages/2_Activation_Explorer.py", query_params=link)
        if st.button(
            "Could it be noticed?", icon=":material/troubleshoot:", key="gallery_detector"
        ):
            keep_pair(bundle, pair)
            st.switch_page("pages/3_Divergence_Detector.py", query_params=link)
