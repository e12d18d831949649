"""The study panel's details: places, false alarms, classes, noise and regimes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ndcore.detectors.registry import title_of
from ndcore.statistics.intervals import Rate
from pages.ui.detector.study.rows import frozen_row
from pages.ui.elements.csv_button import formats
from pages.ui.frame.link import box
from pages.ui.frame.words import capital


def study_details(document: dict[str, Any], attack: str) -> None:
    """What stands below the tables and curves of a study, for the chosen kind of attack."""
    _places(document, attack)
    _alarms(document)
    _classes(document, attack)
    _controls(document)
    _regimes(document)


def _table(frame: pd.DataFrame, shares: Sequence[str], key: str) -> None:
    st.dataframe(frame, hide_index=True, column_config=formats({"percent": shares}), key=key)


def _places(document: dict[str, Any], attack: str) -> None:
    """Where in the image it shows: how often the suspect is the changed pixel."""
    found = document.get("localisation", {}).get(attack)
    if not found:
        return
    words = {
        "suspect_is_the_pixel": "the changed pixel is the first suspect",
        "suspect_is_the_pixel_when_detected": "the same among caught attacks",
        "repaired_label_is_true": "the repaired label is the true one",
        "repaired_label_is_true_when_detected": "the same among caught attacks",
        "first_layer_spot_is_at_the_pixel": "the oddest spot of the first layer is at the pixel",
    }
    rows = [
        {
            "": text,
            "share": found[key]["rate"],
            "from": found[key]["ci95"][0],
            "to": found[key]["ci95"][1],
            "n": found[key]["n"],
        }
        for key, text in words.items()
        if key in found and found[key]["n"]
    ]
    st.header("Where in the image it shows")
    _table(pd.DataFrame(rows), ("share", "from", "to"), "study_places")


def _alarms(document: dict[str, Any]) -> None:
    """Realised false-positive rates of the frozen detector beside their bands."""
    ours = frozen_row(document)
    if ours is None:
        return
    rows = []
    alarms = ours["false_alarms"]
    for name, found in {"all classes": alarms["pooled"], **alarms["per_class"]}.items():
        for alpha, row in found.items():
            if isinstance(row, dict):
                rows.append(
                    {
                        "predicted class": name,
                        "allowed": float(alpha),
                        "realised": row["rate"],
                        "band from": row["band"][0],
                        "band to": row["band"][1],
                        "n": row["n"],
                        "inside": row["inside"],
                    }
                )
    frame = pd.DataFrame(rows)
    inside = int(frame["inside"].sum())
    told = (
        f"False alarms of “{title_of(ours['name'])}”: {inside} of {len(frame)} rates lie inside "
        "their 95% band"
    )
    with box(st.expander, told, key="study_alarms_table") as opened:
        if opened.open:
            st.caption(
                "The band knows how many calibration and evaluation images there are. The classes' "
                "bands hold for all classes at once."
            )
            _table(frame, ("allowed", "realised", "band from", "band to"), "study_alarms")


def _classes(document: dict[str, Any], attack: str) -> None:
    """How much the frozen detector catches per predicted class."""
    ours = frozen_row(document)
    if ours is None:
        return
    rows = [
        {"taken for": name, "caught": row["rate"], "from": row["ci95"][0], "to": row["ci95"][1]}
        | {"n": row["n"]}
        for name, row in ours["attacks"][attack]["per_class"].items()
        if row["n"]
    ]
    told = f"Per class: {attack} attacks caught by {title_of(ours['name'])} at 5%"
    with box(st.expander, told, key="study_classes_table") as opened:
        if opened.open:
            _table(pd.DataFrame(rows), ("caught", "from", "to"), "study_classes")


def _controls(document: dict[str, Any]) -> None:
    """Harmless noise that does not change the label: how often it is flagged."""
    rows = [
        {"detector": capital(title_of(row["name"]))}
        | {name: found["rate"] for name, found in row["controls"].items()}
        for row in document["detectors"]
        if row["controls"]
    ]
    if not rows:
        return
    n = max(found["n"] for row in document["detectors"] for found in row["controls"].values())
    with box(
        st.expander, "Noise controls: harmless changes flagged at 5%", key="study_controls_table"
    ) as opened:
        if opened.open:
            st.caption(
                f"Up to {n} correctly classified images each, with noise that leaves the label as "
                "it is. About 5% flagged is what a detector of attacks should show; more says that "
                "it detects noise."
            )
            frame = pd.DataFrame(rows)
            _table(frame, list(frame.columns[1:]), "study_controls")


def _regimes(document: dict[str, Any]) -> None:
    """Which way each kind of image is unusual."""
    found = document.get("regimes", {})
    if not found:
        return
    rows = [
        {"images": name}
        | {regime: Rate.of(row).text for regime, row in shares.items()}
        | {"n": next(iter(shares.values()))["n"]}
        for name, shares in found.items()
        if next(iter(shares.values()))["n"]
    ]
    with box(
        st.expander, "Regimes: between classes or over-typical", key="study_regimes_table"
    ) as opened:
        if opened.open:
            st.caption(
                "Where the logit of the predicted class lies among that class's images: in the "
                "lowest tenth (between classes), the highest tenth (over-typical) or neither."
            )
            st.dataframe(pd.DataFrame(rows), hide_index=True, key="study_regimes")
