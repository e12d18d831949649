"""Many judged images on the page: counts, p-values, a ranked table, and the two kinds of error."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from ndcore.bundles.bundle import Bundle
from ndcore.data.batch import UNKNOWN
from ndcore.data.decode import encode_png
from ndcore.data.pairs import Pair
from ndcore.figures.detector.p_values import p_histogram
from ndcore.figures.style.image_tiles import ImageTile, image_tiles
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate
from ndcore.study.triage import Judged
from pages.ui.elements.csv_button import csv_button, formats
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.elements.picked_row import picked_row
from pages.ui.elements.pictures import rings, show_image
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import choice, remember
from pages.ui.frame.theme import page_ink
from pages.ui.frame.words import plain

MOST_TILES = 48
TILE = 96
ROW = "triage_row"  # in the link
SHOWN = {
    "all": "all",
    "flagged": "flagged",
    "false alarm": "false alarms",
    "missed": "missed attacks",
    "undecided": "undecided",
}

# Position of a judged image -> its pixels and what they were made from; None where not here.
Lookup = Callable[[int], Pair | None]
# Callback: name of a detector, an image to judge in full.
Open = Callable[[str, Pair], None]


def show_judged(
    bundle: Bundle,
    judged: Judged,
    alpha: float,
    lookup: Lookup,
    open_pair: Callable[[Pair], None],
    name: str,
) -> None:
    """Everything about judged images.

    Args:
        bundle: in use.
        judged: by one detector.
        alpha: false alarms allowed.
        lookup: finds an image.
        open_pair: callback that has one judged in full by the same detector.
        name: of the file to download.
    """
    st.markdown(summary(judged, alpha))
    groups = {
        word: judged.p[judged.attacked == kind]
        for word, kind in (("benign", 0), ("attacked", 1), ("unknown", UNKNOWN))
    }
    digest = hashlib.sha256(b"".join(values.tobytes() + b"-" for values in groups.values()))
    st.plotly_chart(_spread(digest.hexdigest(), alpha, page_ink(), groups), key="triage_p")
    st.caption(
        "Where the calibration holds, the p-values of benign images lie evenly along the dotted "
        "line, apart from chance; what the detector catches piles up at the left."
    )
    frame = pd.DataFrame(judged.rows(bundle.classes, alpha))
    kinds = {"all": np.ones(len(frame), bool), "flagged": frame["flagged"].to_numpy(bool)}
    for outcome in ("false alarm", "missed", "undecided"):
        kinds[outcome] = (frame["outcome"] == outcome).to_numpy(bool)
    options = [kind for kind in SHOWN if kinds[kind].any()]
    show = choice(st.segmented_control, "Show", options, key="triage_show", format_func=SHOWN.get)
    # An image may be there benign and attacked, an uploaded name twice.
    names = frame["kind"] + ":" + frame["image"]
    again = names.groupby(names).cumcount()
    names = names.where(again == 0, names + "~" + again.astype(str))
    picked = _table(frame[kinds[show]], list(names[kinds[show]]))
    if picked is not None:
        _preview(bundle, judged, int(judged.order[picked]), alpha, lookup, open_pair)
    csv_button(frame, f"{bundle.name}-{name}-triage.csv", "triage_csv")
    known = judged.attacked != UNKNOWN
    if known.any():
        _gallery(
            bundle, judged, judged.false_positives(alpha), lookup, "False alarms", "benign, flagged"
        )
    if (judged.attacked == 1).any():
        _gallery(
            bundle,
            judged,
            judged.false_negatives(alpha),
            lookup,
            "Missed attacks",
            "attacked, not flagged",
        )


@st.cache_resource(max_entries=32, show_spinner=False)
@known_signature
def _spread(
    digest: str, alpha: float, ink: str, _groups: dict[str, NDArray[np.floating]]
) -> go.Figure:
    return kept_figure(p_histogram(_groups, alpha, ink))


def summary(judged: Judged, alpha: float) -> str:
    """The counts in words."""
    found = judged.counts(alpha)
    percent = f"{100 * alpha:g}%"
    told = [f"**{found['flagged']:,} of {found['images']:,}** images are flagged at {percent}."]
    for name, hit, words in (
        ("benign", "false_alarms", "false alarms"),
        ("attacked", None, "caught"),
    ):
        n = found[name]
        if not n:
            continue
        k = found[hit] if hit else n - found["missed"]
        rate = Rate(k, n)
        told.append(
            f"Of {counted(n, f'{name} image')} {k:,} are {words}: **{rate.percent()}** "
            f"(95% interval {rate.interval()})."
        )
    if found["wrong"]:
        told.append(
            f"The model gets {counted(found['wrong'], 'benign image')} wrong; "
            f"{found['wrong_flagged']:,} of these are flagged."
        )
    if found["undecided"]:
        told.append(
            f"{found['undecided']:,} are undecided: benign calibration images taken for their "
            f"class are too few for {percent}, so they are never flagged."
        )
    return " ".join(told)


def _table(frame: pd.DataFrame, names: Sequence[str]) -> int | None:
    """The ranked table of so named images; returns the picked image's rank from 0, or None."""
    if not frame["true"].any():
        frame = frame.drop(columns="true")
    picked = picked_row(
        frame,
        names,
        key=ROW,
        height=min(38 + 35 * len(frame), 420),
        column_config=formats({"%.4f": ["p"], "percent": ["confidence"], "%.3f": ["score"]}),
    )
    if picked is None:
        remember(ROW, "")  # what the table does not show is not in the link
    st.caption("Tick a row to see that image. The most suspicious come first.")
    return None if picked is None else int(frame["rank"].iloc[picked]) - 1


def _preview(
    bundle: Bundle,
    judged: Judged,
    at: int,
    alpha: float,
    lookup: Lookup,
    open_pair: Callable[[Pair], None],
) -> None:
    """The picked image, and the way to its full verdict."""
    pair = lookup(at)
    with st.container(border=True, key="triage_preview"):
        words = (
            f"**{plain(judged.ids[at])}** ({judged.sets[at]}), taken for "
            f"**{plain(bundle.classes[judged.predicted[at]])}** "
            f"({100 * judged.confidence[at]:.1f}%): {judged.outcomes(alpha)[at]}, "
            f"p\u00a0=\u00a0{judged.p[at]:.4f}, score {judged.scores[at]:.3f}."
        )
        if pair is None:
            st.markdown(words)
            st.caption("Its pixels are not on this machine, so it cannot be judged again.")
            return
        row = st.container(horizontal=True, gap="medium", vertical_alignment="center")
        picture = row.container(width=170)
        caption = "as judged; the changed pixel ringed" if pair.changes else "as judged"
        show_image(pair.images[-1], caption, changes=pair.changes, width=160, place=picture)
        told = row.container(width=420)
        told.markdown(words)
        told.button(
            "Judge it in full",
            icon=":material/troubleshoot:",
            help="Layers, neurons and the suspect pixel of this image, in the tab “One image”.",
            on_click=open_pair,
            args=(pair,),
            key="triage_open",
        )


def _gallery(
    bundle: Bundle, judged: Judged, rows: NDArray[np.int64], lookup: Lookup, title: str, words: str
) -> None:
    st.markdown(f"**{title}** ({words}): {len(rows):,}")
    if not len(rows):
        return
    tiles = []
    for at in rows[:MOST_TILES].tolist():
        pair = lookup(at)
        if pair is not None:
            tiles.append(_tile(bundle, judged, at, pair))
    if tiles:
        st.html(image_tiles(tiles, width=TILE))
    told = []
    if len(tiles) < min(len(rows), MOST_TILES):
        ids = [judged.ids[at] for at in rows[:MOST_TILES].tolist()]
        some = ", ".join(ids[:6]) + (", …" if len(rows) > 6 else "")
        told.append(
            f"Of {min(len(rows), MOST_TILES) - len(tiles):,} the pixels are not on this machine"
            + (f": {some}." if not tiles else ".")
        )
    if len(rows) > MOST_TILES:
        told.append(f"The first {MOST_TILES} are drawn; the table lists all.")
    if told:
        st.caption(" ".join(told))


def _tile(bundle: Bundle, judged: Judged, at: int, pair: Pair) -> ImageTile:
    pixels = pair.images[-1]
    label, true = int(judged.predicted[at]), int(judged.labels[at])
    told = bundle.classes[label]
    if true not in (UNKNOWN, label):
        told = f"{bundle.classes[true]} → {told}"
    return ImageTile(
        png=_png(pixels.tobytes(), pixels.shape),
        size=(pixels.shape[0], pixels.shape[1]),
        ringed=rings(pair.changes),
        words=(told, f"p {judged.p[at]:.3f}", judged.ids[at]),
    )


@lru_cache(maxsize=8 * MOST_TILES)
def _png(data: bytes, shape: tuple[int, ...]) -> bytes:
    """Drawn once, because the page runs again at every click."""
    return encode_png(np.frombuffer(data, np.uint8).reshape(shape))
