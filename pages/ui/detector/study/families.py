"""Which detector for which attack, all under one budget of false alarms."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from ndcore.detectors.registry import title_of
from ndcore.statistics.intervals import Rate
from pages.ui.frame.words import capital

HELPLESS = 0.5  # of a kind of attack that is caught: less is a coin's toss


def families_panel(document: dict[str, Any]) -> None:
    """Each kind of attack with its detector, and what remains; nothing in an older study."""
    found = document.get("families")
    if not found:
        return
    about = {row["name"]: row["about"] for row in document["attacks"]}
    st.header("Which detector for which attack")
    alarms = found["false_alarms"]
    st.markdown(
        "The best for each kind was chosen on dev images. Together they share one budget of 5% "
        f"false alarms ({capital(found['about'])}); on benign images that union raised "
        f"{Rate.of(alarms['union']).text}. {remains(found, about)}"
    )
    rows = [
        {
            "attack": capital(about.get(row["name"], row["name"])),
            "images": f"{row['n']:,}",
            "its detector": title_of(row["chosen"]),
            "frozen alone": Rate.of(row["frozen"]).text,
            "its own alone": Rate.of(row["best"]).text,
            "all together": Rate.of(row["union"]).text,
        }
        for row in found["rows"]
    ]
    st.table(pd.DataFrame(rows), border="horizontal", hide_index=True)


def remains(found: dict[str, Any], about: dict[str, str]) -> str:
    """The kinds of attack of which the union catches less than half, in a sentence."""
    missed = [row for row in found["rows"] if Rate.of(row["union"]).share < HELPLESS]
    if not missed:
        return "Of every kind it catches at least half."
    names = ", ".join(about.get(row["name"], row["name"]) for row in missed)
    return f"**Less than half is caught of: {names}.**"
