"""Many results: how many fell, which class became which, and a table to pick one from."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ndcore.attacks import AttackResult, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.figures.lab.batch import HELD, class_matrix, count_outcomes, success_curve
from ndcore.statistics.intervals import Rate
from pages.ui.elements.class_matrix import forget_cell, pick_cell
from pages.ui.elements.pictures import show_pairs
from pages.ui.lab.downloads import download_buttons

__all__ = ["MATRIX", "outcome", "show_batch"]

MOST_TILES = 48
MATRIX = "matrix"
CHART_WIDTH = 460


def show_batch(
    bundle: Bundle, results: list[AttackResult], images: int, *, running: bool
) -> AttackResult | None:
    """Everything about a batch of `images` images; returns the picked result.

    While the attack is running only a result that the user picks is opened.
    """
    st.subheader(f"The batch so far: {len(results)} of {images} images" if running else "The batch")
    st.markdown(_sentence(results))
    attacked = [result for result in results if not result.skipped]
    if attacked:
        row = st.container(horizontal=True, gap="small")
        cell = _matrix(bundle, attacked, row.container(width=CHART_WIDTH))
        if attacked[0].config.searches:
            _curve(bundle, attacked, row.container(width=CHART_WIDTH))
    else:
        cell = None
    shown = results
    if cell is not None:
        shown = [result for result in attacked if _in_cell(result, cell, len(bundle.classes))]
    if cell is not None and shown:
        names = [*bundle.classes, HELD]
        st.markdown(
            f"**{names[cell[0]]} → {names[cell[1]]}**: {len(shown)} "
            f"{'image' if len(shown) == 1 else 'images'}."
        )
        st.button(
            "Show all again",
            icon=":material/close:",
            on_click=forget_cell,
            args=(MATRIX,),
            key="all_cells",
        )
        show_pairs(bundle, shown[:MOST_TILES])
        if len(shown) > MOST_TILES:
            st.caption(f"The first {MOST_TILES} are drawn; the table lists all.")
    elif attacked:
        st.caption("Click a cell of the matrix to see its images.")
    picked = _table(bundle, shown or results, open_one=not running)
    download_buttons(bundle, results, "batch")
    return picked


def _sentence(results: list[AttackResult]) -> str:
    summary = summarise(results)
    skipped = sum(result.skipped for result in results)
    stopped = sum(result.stopped for result in results)
    notes = []
    if skipped:
        notes.append(f"{skipped} skipped because the model gets them wrong already")
    if stopped:
        notes.append(f"{stopped} stopped before the end and counted as not fooled")
    extra = f" {'; '.join(notes).capitalize()}." if notes else ""
    if not summary["attacked"]:
        return f"No image was attacked.{extra}"
    rate = Rate(summary["succeeded"], summary["attacked"])
    text = (
        f"**{rate.k} of {rate.n}** correctly classified images were broken: "
        f"**{rate.percent(0)}** (95% interval {rate.interval(0)}), {rate.n - rate.k} were not."
    )
    if results[0].config.searches:
        if summary["queries_median"] is not None:
            text += (
                f" A success took {summary['queries_median']:,.0f} queries in the median, "
                f"{summary['queries_mean']:,.0f} on average;"
            )
        text += f" {summary['queries_total']:,} queries were paid in all."
    return text + extra


def _matrix(bundle: Bundle, attacked: list[AttackResult], place) -> tuple[int, int] | None:
    counts = count_outcomes(
        [result.true for result in attacked],
        [result.predicted_after for result in attacked],
        [result.success for result in attacked],
        len(bundle.classes),
    )
    figure = class_matrix(counts, bundle.classes, title="What became of each class")
    return pick_cell(figure, place, MATRIX)


def _in_cell(result: AttackResult, cell: tuple[int, int], classes: int) -> bool:
    return cell == (result.true, result.predicted_after if result.success else classes)


def _curve(bundle: Bundle, attacked: list[AttackResult], place) -> None:
    hits = [result.first_hit for result in attacked if result.success and result.first_hit]
    most = max(result.queries for result in attacked)
    place.plotly_chart(success_curve(hits, len(attacked), most), key="curve")


def _table(
    bundle: Bundle, results: Sequence[AttackResult], *, open_one: bool
) -> AttackResult | None:
    names = bundle.classes
    frame = pd.DataFrame(
        {
            "image": [result.id for result in results],
            "outcome": [outcome(result) for result in results],
            "before": [names[result.predicted_before] for result in results],
            "after": [names[result.predicted_after] for result in results],
            "confidence after": [100 * result.confidence_after for result in results],
            "queries": [result.queries for result in results],
            "found by": [result.found_by if result.success else "" for result in results],
            "seconds": [result.seconds for result in results],
        }
    )
    event = st.dataframe(
        frame,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key="results",
        height=min(38 + 35 * len(results), 320),
        column_config={
            "confidence after": st.column_config.NumberColumn(format="%.1f%%"),
            "queries": st.column_config.NumberColumn(format="localized"),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
        },
    )
    rows = event["selection"]["rows"]
    st.caption("Tick a row to see that image below.")
    if rows and rows[0] < len(results):
        return results[rows[0]]
    if not open_one:
        return None
    won = [result for result in results if result.success]
    return (won or list(results) or [None])[0]


def outcome(result: AttackResult) -> str:
    """One word or two."""
    if result.skipped:
        return "skipped: misclassified"
    if result.success:
        return "fooled"
    return "stopped" if result.stopped else "not fooled"
