"""The attackers who know the detector: what they gain and what it costs them."""

from __future__ import annotations

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from ndcore.figures.detector.frontier import Adversary, frontier
from ndcore.statistics.intervals import Rate
from ndcore.study.saved import SavedStudy
from pages.ui.elements.kept_figure import kept_figure
from pages.ui.frame.known_signature import known_signature

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
    shown = {name: row for name, row in shown.items() if row["success"]}
    drawn = {name: row for name, row in shown.items() if row["detected"]["n"]}
    if len(drawn) < 2:
        return
    st.header("Attackers who know the detector")
    st.markdown(_price(document))
    st.plotly_chart(_frontier(study.digest, drawn), key="study_frontier")
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
            **_proven(row),
            "queries per success": f"{row['queries_mean']:,.0f}" if row["queries_mean"] else "",
        }
        for name, row in shown.items()
    ]
    frame = pd.DataFrame(rows)
    st.table(frame.fillna(""), border="horizontal", hide_index=True)
    if tested := document.get("self_test"):
        st.caption(_tested(tested))
    if together := document.get("mead"):
        st.caption(
            "Counting an image only when every attack on it is caught: "
            f"{Rate.of(together['few-pixels']).text} of the {together['few-pixels']['n']:,} that "
            "one or two pixels flipped."
        )


def _proven(row: dict[str, Any]) -> dict[str, str]:
    """What no attacker of this kind can exceed; nothing in a study without certificates."""
    if "flip_evasion" not in row:
        return {}
    by_flip = f"{Rate.of(row['by_flip']).percent()}"
    if not row.get("bound"):
        return {"caught by a flip": by_flip, "proven: never more than": "no proof"}
    bound, flip = Rate.of(row["bound"]), Rate.of(row["flip_bound"])
    proven = f"{bound.percent()}; by a flip {flip.percent()}"
    return {"caught by a flip": by_flip, "proven: never more than": proven}


def _tested(found: dict[str, Any]) -> str:
    """How strong the attackers are where it is known that something passes."""
    tenth, least = (
        Rate.of(found[f"passes_what_{word}_passes"]).text for word in ("a_tenth", "one")
    )
    return (
        f"Self-test of the attackers: on {found['n']:,} images an exhaustive search knows "
        f"{found['flips_mean']:,.0f} flips on average, and a weakened detector lets some of them "
        f"pass. Where a tenth pass, the attackers find one that passes in {tenth} of the images; "
        f"where a single one does, in {least}."
    )


@st.cache_resource(max_entries=4, show_spinner=False)
@known_signature
def _frontier(digest: str, _shown: dict[str, dict[str, Any]]) -> go.Figure:
    return kept_figure(
        frontier([_adversary(name, row) for name, row in _shown.items()], alpha=ALPHA)
    )


def _known(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Figures of the attackers who know the detector, where they were run and had successes."""
    names = [row["name"] for row in document["attacks"] if row.get("knows_the_detector")]
    found = document.get("evasion", {})
    return {name: found[name] for name in names if name in found and found[name]["evasion"]}


def _adversary(name: str, row: dict[str, Any]) -> Adversary:
    success, detected, evasion = (Rate.of(row[key]) for key in ("success", "detected", "evasion"))
    return Adversary(name, success, detected, evasion, row["queries_mean"])
