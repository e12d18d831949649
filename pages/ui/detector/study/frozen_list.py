"""The list of frozen hypotheses on the page, with its picture and downloads."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from ndcore.bundles.bundle import Bundle
from ndcore.detectors.scoring.scores import layer_measures
from ndcore.figures.detector.looks import Look, frozen_figure
from ndcore.legible.plurals import counted
from ndcore.study.hypotheses.frozen_list import Frozen
from pages.ui.elements.csv_button import formats
from pages.ui.elements.download import download
from pages.ui.frame.words import capital

DRAWN = 12  # hypotheses in the picture, the latest
MAIN_ALPHA = "0.05"


def frozen_list(bundle: Bundle, frozen: Frozen) -> None:
    """Every frozen hypothesis, in the order in which they were looked at."""
    records = frozen.records()
    st.subheader("Frozen so far")
    if not records:
        st.caption("None: nobody has looked at the evaluation images from this desk.")
        return
    count = len(records)
    text = f"**{counted(count, 'look')}** at the evaluation images. "
    if count > 1:
        sure = max(0, 100 - 5 * count)
        text += (
            "The best of several looks better than it is: each interval holds with 95%, all of "
            f"them together only with at least {sure}%."
        )
    st.markdown(text)
    if not frozen.kept:
        st.warning("The list cannot be written to disk here; it is kept in this session only.")
    frame = pd.DataFrame([_row(record) for record in records])
    st.dataframe(frame, hide_index=True, column_config=_list_formats(), key="desk_frozen")
    looks = [
        Look(
            f"{record['look']} · {_words(record['hypothesis'])}",
            _ends(record["dev"]),
            _ends(record["evaluation"]),
        )
        for record in records
    ]
    st.plotly_chart(frozen_figure(looks[-DRAWN:]), key="desk_looks")
    if count > DRAWN:
        st.caption(f"The latest {DRAWN} are drawn; the table lists all.")
    row = st.container(horizontal=True)
    for kind, data in (
        ("CSV", lambda: frame.to_csv(index=False)),
        ("JSON", lambda: json.dumps(records, indent=1)),
    ):
        file = f"{bundle.name}-hypotheses.{kind.lower()}"
        download(kind, data, file, key=f"desk_{kind}", place=row)


def _row(record: dict[str, Any]) -> dict[str, Any]:
    about, dev, held = record["hypothesis"], record["dev"], record["evaluation"]
    return {
        "look": record["look"],
        "measures": _titles(about["measures"]),
        "dev": dev["auroc"],
        "evaluation": held["auroc"],
        "layers": ", ".join(about["layers"]),
        "joined by": about["over"],
        "attack": about["attack"],
        "dev from": dev["ci95"][0],
        "dev to": dev["ci95"][1],
        "dev n": dev["n"],
        "evaluation from": held["ci95"][0],
        "evaluation to": held["ci95"][1],
        "evaluation n": held["n"],
        "against misclassified": held["against"]["benign-misclassified"]["auroc"],
        "caught at 5%": held["tpr_at_fpr"][MAIN_ALPHA],
        "false alarms at 5%": held["false_alarms"][MAIN_ALPHA]["rate"],
        "frozen": when(record),
    }


def _list_formats() -> dict[str, Any]:
    numbers = ("dev", "dev from", "dev to", "evaluation", "evaluation from", "evaluation to")
    shown = {
        "%.3f": (*numbers, "against misclassified"),
        "percent": ("caught at 5%", "false alarms at 5%"),
    }
    return formats(shown) | {"layers": st.column_config.TextColumn(width="medium")}


def _ends(found: dict[str, Any]) -> tuple[float, float, float]:
    """AUROC and interval; NaN, which is not drawn, where there is none."""
    value, low, high = (
        np.nan if number is None else float(number) for number in (found["auroc"], *found["ci95"])
    )
    return value, low, high


def _words(about: dict[str, Any]) -> str:
    layers = about["layers"]
    where = layers[0] if len(layers) == 1 else f"{len(layers)} layers"
    return f"{_titles(about['measures'])}, {where}"


def _titles(measures: list[str]) -> str:
    known = layer_measures()
    return "; ".join(capital(known[name].title) if name in known else name for name in measures)


def when(record: dict[str, Any]) -> str:
    """Date and time of a look."""
    return f"{record['time'][:10]} {record['time'][11:16]} UTC"
