"""The attackers who know the detector: what they gain and what it costs them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ndcore.figures.detector.frontier import Adversary, frontier
from ndcore.statistics.intervals import Rate
from ndcore.study.saved import SavedStudy

ALPHA = 0.05
PLAIN = "one-pixel"


def _price(document: dict[str, Any]) -> str:
    """One sentence: how often the best of them slips through, beside the plain attack."""
    known = _known(document)
    plain = document.get("evasion", {}).get(PLAIN)
    if not known or not plain or not plain["evasion"]:
        return ""
    name, worst = max(known.items(), key=lambda item: item[1]["evasion"]["rate"])
    return (
        "An attacker who knows it flips and goes unnoticed on "
        f"**{Rate.of(worst['evasion']).text}** of {worst['attacked']:,} images ({name}), where the "
        "plain attack flips "
        f"{Rate.of(plain['success']).text} and goes unnoticed on {Rate.of(plain['evasion']).text}."
    )


def adversaries_panel(study: SavedStudy) -> None:
    """Success and queries against detection, the plain attack first."""
    document = study.document
    found = document.get("evasion", {})
    shown = {PLAIN: found[PLAIN]} if PLAIN in found else {}
    shown |= {name: found[name] for name in ("inconspicuous",) if name in found}
    shown |= _known(document)
    shown = {name: row for name, row in shown.items() if row["success"] and row["detected"]["n"]}
    if len(shown) < 2:
        return
    st.header("Attackers who know the detector")
    st.markdown(_price(document))
    st.plotly_chart(_frontier(study.digest, shown), key="study_frontier")
    st.caption(
        f"Those after {' and '.join(name for name in shown if name not in _known(document))} know "
        "the score, its thresholds and its repair, and show it up to four images before they "
        "submit one. Unnoticed is: flipped and not flagged, of all images attacked."
    )
    about = {row["name"]: row["about"] for row in document["attacks"]}
    rows = [
        {
            "attacker": name,
            "what it does": about.get(name, ""),
            "attacked": f"{row['attacked']:,}",
            "flipped": Rate.of(row["success"]).text,
            "successes": row["detected"]["n"],
            "of these caught": Rate.of(row["detected"]).text,
            "unnoticed": Rate.of(row["evasion"]).text,
            "queries per success": f"{row['queries_mean']:,.0f}",
        }
        for name, row in shown.items()
    ]
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)


@st.cache_resource(max_entries=4, show_spinner=False)
def _frontier(digest: str, _shown: dict[str, dict[str, Any]]) -> go.Figure:
    return frontier([_adversary(name, row) for name, row in _shown.items()], alpha=ALPHA)


def _known(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures of the attackers who know the detector, where they were run and had successes."""
    names = [row["name"] for row in document["attacks"] if row.get("knows_the_detector")]
    found = document.get("evasion", {})
    return {name: found[name] for name in names if name in found and found[name]["evasion"]}


def _adversary(name: str, row: dict[str, Any]) -> Adversary:
    success, detected, evasion = (Rate.of(row[key]) for key in ("success", "detected", "evasion"))
    return Adversary(name, success, detected, evasion, row["queries_mean"])
