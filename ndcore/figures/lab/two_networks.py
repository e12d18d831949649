"""Two networks side by side, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ndcore.statistics.intervals import Rate

QUESTIONS = {
    "right": "images known",
    "broken": "broken, of those that both know",
    "carries over": "what breaks it breaks the other too",
    "caught": "broken ones noticed by {detector}",
    "broken and unnoticed": "broken and not noticed",
    "false alarm": "clean images flagged",
}


class RowWords(NamedTuple):
    """A question, the two answers with n and interval, and their gap; "" where none is paired."""

    question: str
    first: str
    second: str
    gap: str


def row_words(row: Mapping[str, Any], document: Mapping[str, Any]) -> RowWords:
    """One of the `rows` of `ndcore.analysis.two_networks.compared`, in words."""
    question = QUESTIONS[row["what"]].format(detector=document["detector"] or "a detector")
    first, second = (_rate(found) for found in row["rates"])
    gap = row["gap"]
    if gap is None:
        return RowWords(question, first, second, "")
    low, high = (100 * end for end in gap["ci95"])
    return RowWords(
        question, first, second, f"{100 * gap['mean']:+.1f} ({low:+.1f} to {high:+.1f})"
    )


def sides_words(document: Mapping[str, Any]) -> str:
    """Which network each broken image breaks in."""
    first, second = document["bundles"]
    found = document["broken_in"]
    return (
        f"Broken in both {found['both']:,}, in {first} alone {found['first']:,}, "
        f"in {second} alone {found['second']:,}, in neither {found['neither']:,}"
    )


def judge_words(document: Mapping[str, Any]) -> str:
    """Who judged, at which rate of false alarms, and how often it could not."""
    if not document["detector"]:
        return "No detector judged: none is calibrated for both, or none was wanted"
    told = f"Judged by {document['detector']} at {100 * document['alpha']:.0f}% false alarms"
    if not any(document["undecided"]):
        return told
    counts = " and ".join(
        f"{count:,} images in {name}"
        for name, count in zip(document["bundles"], document["undecided"], strict=True)
    )
    return f"{told}; undecided for want of calibration images, so not noticed: {counts}"


def _rate(found: Mapping[str, Any]) -> str:
    rate = Rate.of(found)
    if not rate.n:
        return "undefined (n = 0)"
    return f"{rate.k:,} of {rate.n:,}, {rate.percent(0)} ({rate.interval(0)})"
