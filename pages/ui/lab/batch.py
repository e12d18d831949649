"""Many results: how many fell, which class became which, and a table to pick one from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ndcore.attacks import ENGINES, AttackResult, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.figures.lab.batch import HELD, success_curve
from ndcore.statistics.intervals import Rate
from pages.ui.elements.class_matrix import pick_cell
from pages.ui.elements.csv_button import formats
from pages.ui.elements.picked_row import picked_row
from pages.ui.elements.pictures import show_pairs
from pages.ui.frame.words import counted, plain
from pages.ui.lab.downloads import download_buttons

MOST_TILES = 48
CELL, ROW = "cell", "row"  # names in the link
CHART_WIDTH = 460


def show_batch(
    bundle: Bundle, results: list[AttackResult], images: int, *, running: bool
) -> AttackResult | None:
    """Everything about a batch of `images` images; returns the picked result.

    While the attack is running only a result that the user picks is opened.
    """
    told = f"The batch so far: {len(results):,} of {counted(images, 'image')}"
    st.subheader(told if running else "The batch")
    st.markdown(_sentence(results, 0 if running else images - len(results)))
    attacked = [result for result in results if result.tried]
    shown = _charts(bundle, attacked) if attacked else []
    picked = _table(bundle, shown or results, open_one=not running)
    download_buttons(bundle, results, "batch")
    return picked


def _charts(bundle: Bundle, attacked: list[AttackResult]) -> list[AttackResult]:
    """The matrix and the curve; returns the images of the chosen cell, none without one."""
    names = [*bundle.classes, HELD]
    row = st.container(horizontal=True, gap="small")
    cells = [
        (result.true, result.predicted_after if result.success else len(bundle.classes))
        for result in attacked
    ]
    title = "What became of each class"
    place = row.container(width=CHART_WIDTH)
    cell = pick_cell(place, bundle.classes, cells, title=title, key=CELL)
    if attacked[0].config.searches:
        hits = [result.first_hit for result in attacked if result.success and result.first_hit]
        figure = success_curve(hits, len(attacked), max(result.queries for result in attacked))
        row.container(width=CHART_WIDTH).plotly_chart(figure, key="curve")
    if cell is None:
        return []
    shown = [result for result, its in zip(attacked, cells, strict=True) if its == cell]
    true, after = (plain(names[label]) for label in cell)
    st.markdown(f"**{true} → {after}**: {counted(len(shown), 'image')}.")
    show_pairs(bundle, shown[:MOST_TILES])
    if len(shown) > MOST_TILES:
        st.caption(f"The first {MOST_TILES} are drawn; the table lists all.")
    return shown


def _sentence(results: list[AttackResult], unreached: int) -> str:
    summary = summarise(results)
    outcomes = Counter(result.outcome for result in results)
    skipped, stopped = outcomes["skipped"], outcomes["stopped"]
    untried = unreached + outcomes["never tried"]
    notes = []
    if skipped:
        notes.append(f"{skipped} skipped because the model gets them wrong already")
    if stopped:
        notes.append(f"{stopped} stopped before the end and counted as not fooled")
    if untried:
        notes.append(f"{untried} never tried and not counted")
    extra = f" {'; '.join(notes).capitalize()}." if notes else ""
    if not summary["attacked"]:
        return f"No image was attacked.{extra}"
    rate = Rate(summary["succeeded"], summary["attacked"])
    noun = "image was" if rate.n == 1 else "images were"
    text = (
        f"**{rate.k} of {rate.n}** correctly classified {noun} broken: "
        f"**{rate.percent(0)}** (95% interval {rate.interval(0)}), {rate.n - rate.k} not."
    )
    if results[0].config.searches:
        if summary["queries_median"] is not None:
            text += (
                f" A success took {summary['queries_median']:,.0f} queries in the median, "
                f"{summary['queries_mean']:,.0f} on average;"
            )
        text += f" {summary['queries_total']:,} queries were paid in all."
    return text + extra


def _table(
    bundle: Bundle, results: Sequence[AttackResult], *, open_one: bool
) -> AttackResult | None:
    names = bundle.classes
    frame = pd.DataFrame(
        {
            "image": [result.id for result in results],
            "outcome": [result.outcome for result in results],
            "before": [names[result.predicted_before] for result in results],
            "after": [names[result.predicted_after] for result in results],
            "confidence after": [100 * result.confidence_after for result in results],
            "queries": [result.queries for result in results],
            "found by": [
                ENGINES[result.found_by].title if result.success else "" for result in results
            ],
            "seconds": [result.seconds for result in results],
        }
    )
    picked = picked_row(
        frame,
        [result.id for result in results],
        key=ROW,
        height=min(38 + 35 * len(results), 320),
        column_config=formats(
            {"%.1f%%": ["confidence after"], "localized": ["queries"], "%.1f": ["seconds"]}
        ),
    )
    st.caption("Tick a row to see that image below.")
    if picked is not None:
        return results[picked]
    if not open_one:
        return None
    return next((result for result in results if result.success), results[0])
