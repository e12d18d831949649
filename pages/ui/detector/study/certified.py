"""What is proven of the images of a study, and whether any attack ever broke the proof."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.registry import title_of
from ndcore.figures.detector.certified_curve import Level, certified_curve
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate
from ndcore.study.saved import SavedStudy
from pages.ui.detector.choices import study_command
from pages.ui.detector.study.rows import frozen_row
from pages.ui.elements.csv_button import formats
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import box
from pages.ui.frame.words import capital

RULE = "rule flip, no threshold"


def certified_panel(bundle: Bundle, study: SavedStudy) -> None:
    """The certified share in a sentence, its curve, the classes, and the attacks on the proof."""
    if frozen_row(study.document) is None:
        return
    st.header("What is proven against one pixel")
    found = study.document.get("certificate")
    if found is None:
        st.caption(
            "This study is older than its certificates and holds none. With the bundle's data on "
            f"disk, {study_command(bundle)} makes them."
        )
        return
    st.markdown(told(found))
    st.plotly_chart(_curve(study.digest, found), key="study_certified")
    st.caption(
        "A mark for each rate of false alarms that the threshold allows, from 0.5% to 20%. "
        "Certified: whatever one pixel is changed to, a change that alters the label is flagged. "
        f"Of the images that one pixel is known to break the rule certifies "
        f"{Rate.of(found['flip']['breakable']).text}; robust images certify themselves."
    )
    label = "Certified images by class, and every attack that was tried on the proof"
    with box(st.expander, label, key="study_certified_table") as opened:
        if opened.open:
            _table(found["per_class"], "class", "study_certified_classes")
            rows = {row["name"]: row["caught_by_flip"] for row in found["attacks"]}
            _table(rows, "caught by the rule", "study_certified_attacks")


def told(found: dict[str, Any]) -> str:
    """The certificate of a study in sentences.

    Args:
        found: its `certificate`.
    """
    flip = found["flip"]
    correct, alarms = Rate.of(flip["correct"]), flip["alarms"]
    attacks = sum(row["on_certified"] for row in found["attacks"])
    broken = sum(row["violations"] for row in found["attacks"])
    broken_words = "none of them broke" if not broken else f"**{broken:,} of them broke**"
    return (
        f"On **{correct.text}** of {correct.n:,} correctly classified images no change of one "
        "pixel, of any colour, by any attacker, alters the label without a repair that disagrees. "
        f"That alarm is raised on {Rate.of(alarms['correct']).text} of the correct and "
        f"{Rate.of(alarms['wrong']).text} of the {alarms['wrong']['n']:,} misclassified images; "
        f"right and certified are {Rate.of(found['certified_accuracy']).text} of all. "
        f"{capital(counted(attacks, 'stored attack'))} on certified images put the proof to the "
        f"test: {broken_words} it."
    )


@st.cache_resource(max_entries=4, show_spinner=False)
@known_signature
def _curve(digest: str, _found: dict[str, Any]) -> go.Figure:
    curves = {
        capital(title_of(name)): [_level(row, row["alpha"]) for row in rows]
        for name, rows in _found["curves"].items()
    }
    flip = _found["flip"]
    point = {"alarms": flip["alarms"], "certified": {"correct": flip["correct"]}}
    return certified_curve(curves | {capital(RULE): [_level(point, None)]})


def _level(row: dict[str, Any], allowed: float | None) -> Level:
    return Level(allowed, Rate.of(row["alarms"]["all"]), Rate.of(row["certified"]["correct"]))


def _table(rates: dict[str, dict[str, Any]], name: str, key: str) -> None:
    rows = [
        {name: label, "share": row["rate"], "from": row["ci95"][0], "to": row["ci95"][1]}
        | {"n": row["n"]}
        for label, row in rates.items()
        if row["n"]
    ]
    config = formats({"percent": ("share", "from", "to")})
    st.dataframe(pd.DataFrame(rows), hide_index=True, column_config=config, key=key)
