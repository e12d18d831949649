"""Training Evolution, the paper's findings: accuracies beside ours, and each claim's verdict."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from ndcore.evolution import list_runs
from ndcore.evolution.findings import (
    HOW_FIXED,
    NOT_RECORDED,
    VERDICTS,
    findings_of,
    told_data,
    told_files,
)
from pages.ui.elements.csv_button import csv_button
from pages.ui.evolution.runs import stamp_of
from pages.ui.frame.known_signature import known_signature
from pages.ui.frame.link import several, switch
from pages.ui.frame.words import plain

MARKS = dict(zip(VERDICTS, ("✓", "✗", "?"), strict=True))


def findings_panel() -> None:
    """What the paper reports of its networks, beside the runs that are recorded here."""
    document = _document(tuple((name, stamp_of(name)) for name in list_runs()))
    for row in document["unread"]:
        st.warning(f"The run “{plain(row['run'])}” is left out: {plain(row['reason'], 400)}.")
    _accuracies(document)
    _claims(document)
    _missing(document["missing"])


@st.cache_data(max_entries=2, show_spinner="Checking the paper's claims …")
@known_signature
def _document(stamps: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The report, made again when a run's files change."""
    return findings_of()


def _accuracies(document: dict[str, Any]) -> None:
    st.header("Accuracy")
    st.table(_compared(document["accuracy"]))
    frame = accuracy_frame(document["accuracy"])
    recipes = _recipes(document["accuracy"])
    if recipes:
        st.markdown(f"Recipe: {recipes}")
    csv_button(frame, "deep-view-accuracy.csv", "evo_accuracy_csv")
    st.caption(
        "Share of images classified rightly, with Wilson's 95% interval: of the test set, and of a "
        "held-out part of the training set that training never saw. Lossless: how many of the "
        "images came from lossless files; the others had been through JPEG. The paper's figures "
        "are on all 10,000 test images, lossless; it gives none for shallow-bn, lenet-bn and "
        "nin-bn."
    )


def _compared(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Columns of wrapped text: each figure with its interval and the images behind it."""
    stated = [row["paper"] for row in rows]
    return pd.DataFrame(
        {
            "Network": [row["network"] for row in rows],
            "Paper": ["none" if paper is None else f"{100 * paper:.2f}%" for paper in stated],
            "Test images": [_measured(row, "test") for row in rows],
            "Held-out images": [_measured(row, "evaluation") for row in rows],
            "Run": [row["run"] or NOT_RECORDED for row in rows],
        }
    ).set_index("Network")


def _measured(row: dict[str, Any], part: str) -> str:
    found = row[part]
    if found is None:
        ended = row["test"] or row["evaluation"]
        return "" if row["run"] is None or ended else f"in training, epoch {row['epochs']}"
    low, high = (100 * end for end in found["ci95"])
    files = told_files(found["n"], found["lossless"])
    return f"**{100 * found['accuracy']:.2f}%** ({low:.2f}-{high:.2f}%; n = {found['n']:,}{files})"


def _recipes(rows: Sequence[dict[str, Any]]) -> str:
    """Recipes, each with its runs."""
    runs: dict[str, list[str]] = {}
    for row in rows:
        if row["run"] is not None:
            told = f"{row['recipe']}, seed {row['seed']}, on {told_data(row['data'])}"
            runs.setdefault(told, []).append(plain(row["run"]))
    return " ".join(f"**{', '.join(names)}**: {told}." for told, names in runs.items())


def _claims(document: dict[str, Any]) -> None:
    st.header("Claims of the case studies")
    counted = document["summary"]
    tested = [verdict for verdict in VERDICTS[:2] if counted[verdict]]
    chosen = several(
        st.pills,
        "Show",
        VERDICTS,
        key="evo_verdicts",
        name="verdicts",
        default=tested,
        format_func=lambda verdict: f"{MARKS[verdict]} {verdict}: {counted[verdict]}",
    )
    if not tested:
        st.info(
            "The claims are about the paper's networks, and no run of one is recorded here. What "
            "a network of your own learned is in the other tabs."
        )
    ruled = switch(st.toggle, "How each is decided", key="evo_rules", name="rules")
    rows = [row for row in document["findings"] if row["verdict"] in chosen]
    if rows:
        st.table(_told(rows, ruled=ruled))
    csv_button(findings_frame(document["findings"]), "deep-view-findings.csv", "evo_findings_csv")
    st.caption(
        f"{HOW_FIXED} They are ours: the paper reads its claims off heat maps. Discriminability is "
        "normalised here. All recorded runs are judged, whichever is chosen above. The same in a "
        "terminal: `python -m ndcore evolve --findings --json -`"
    )


def _told(rows: Sequence[dict[str, Any]], *, ruled: bool) -> pd.DataFrame:
    """Three columns of wrapped text."""
    return pd.DataFrame(
        {
            "Verdict": [f"{MARKS[row['verdict']]} {row['verdict']}" for row in rows],
            "Claim": [
                f"**{row['id']}** {row['claim']} (section {row['section']})"
                + (_rule(row) if ruled else "")
                for row in rows
            ],
            "In numbers": [_numbers(row) for row in rows],
        }
    ).set_index("Verdict")


def _rule(row: dict[str, Any]) -> str:
    return f" *Decided by* {row['statistic']}; *held if* {row['rule']}."


def _numbers(row: dict[str, Any]) -> str:
    left_out = row["missing"] if row["figures"] else []
    more = f" Not judged: {', '.join(left_out)}." if left_out else ""
    return f"{row['sentence']}{more}"


def _missing(missing: Sequence[dict[str, str]]) -> None:
    if not missing:
        return
    st.markdown(
        "To record the networks that are missing (45 epochs each; a killed run goes on where it "
        "was):"
    )
    st.code("\n".join(row["command"] for row in missing), language="sh", wrap_lines=True)


def accuracy_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row per network and run; accuracies in %."""

    def percent(value: float | None) -> float | None:
        return None if value is None else 100 * value

    def told(name: str, found: dict[str, Any] | None) -> dict[str, Any]:
        low, high = found["ci95"] if found else (None, None)
        return {
            f"{name} %": percent(found["accuracy"]) if found else None,
            f"{name} from %": percent(low),
            f"{name} to %": percent(high),
            f"{name} n": found["n"] if found else None,
            f"{name} lossless": found["lossless"] if found else None,
        }

    counts = [f"{name} {what}" for name in ("test", "held-out") for what in ("n", "lossless")]
    return pd.DataFrame(
        [
            {"network": row["network"], "paper %": percent(row["paper"])}
            | told("test", row["test"])
            | told("held-out", row["evaluation"])
            | {"run": row["run"] or NOT_RECORDED}
            | {key: row[key] for key in ("epochs", "seed", "data", "recipe")}
            for row in rows
        ]
    ).astype(dict.fromkeys((*counts, "epochs", "seed"), "Int64"))


def findings_frame(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """One row per claim; the figures are JSON."""
    return pd.DataFrame(
        [
            row
            | {key: ", ".join(row[key]) for key in ("networks", "missing")}
            | {key: json.dumps(row[key]) for key in ("figures", "recordings")}
            for row in rows
        ]
    )
