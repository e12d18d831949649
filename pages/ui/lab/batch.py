"""Many results: how many fell, which class became which, and a table to pick one from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from ndcore.attacks import ENGINES, AttackResult, summarise
from ndcore.bundles.bundle import Bundle
from ndcore.data.decode import small_png
from ndcore.figures.lab.batch import HELD, success_curve
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate
from pages.ui.elements.class_matrix import linked_cell, pick_cell
from pages.ui.elements.csv_button import formats
from pages.ui.elements.picked_row import linked_row, picked_row
from pages.ui.elements.tiles import tile_key, tile_row
from pages.ui.frame.link import just_linked, number, remember, tabs
from pages.ui.frame.words import plain
from pages.ui.lab.downloads import download_buttons

PER_STRIP = 24
TILE, SIDE = 56, 64  # CSS pixels, and about those of the picture itself
CELL, ROW, TAB = "cell", "row", "batch_tab"  # names in the link
CHART_WIDTH = 330
IMAGES, TABLE, CLASSES = "Images", "Table and files", "Classes and queries"


def show_batch(
    bundle: Bundle, results: list[AttackResult], *, running: bool
) -> AttackResult | None:
    """The results of a batch so far; returns the one that is open.

    While the attack is running only a result that the user picks is opened.
    """
    at = linked_row([result.id for result in results], key=ROW)
    if at is None and not running:
        at = next((at for at, result in enumerate(results) if result.success), 0)
    cells = _cells(bundle, results)
    followed = just_linked(CELL)
    if linked_cell(list(cells.values()), key=CELL) is not None and followed:
        st.session_state[TAB] = CLASSES
    labels = (IMAGES, TABLE, CLASSES)
    for label, tab in zip(labels, tabs(labels, key=TAB), strict=True):
        if not tab.open:
            continue
        with tab:
            if label == IMAGES:
                _strip(bundle, results, list(range(len(results))), at)
            elif label == TABLE:
                _table(bundle, results)
            else:
                _charts(bundle, results, cells, at)
    return None if at is None else results[at]


def _strip(bundle: Bundle, results: list[AttackResult], shown: list[int], at: int | None) -> None:
    """Results as tiles with their outcome, a screen at a time; a click opens one."""
    screens = -(-len(shown) // PER_STRIP)
    screen = 1
    if screens > 1:
        first = 1 + shown.index(at) // PER_STRIP if at in shown else 1
        screen = number(
            st.number_input, f"Page of {screens:,}", 1, screens, first, key="strip", width=130
        )
    drawn = {index: results[index] for index in shown[(screen - 1) * PER_STRIP :][:PER_STRIP]}
    row = tile_row("result", {str(index): _picture(result) for index, result in drawn.items()})
    for index, result in drawn.items():
        row.button(
            _outcome_words(bundle, result),
            type="primary" if index == at else "tertiary",
            on_click=remember,
            args=(ROW, result.id),
            help=result.id,
            key=tile_key("result", str(index)),
            width=TILE,
        )


def _picture(result: AttackResult) -> bytes:
    return small_png(result.attacked if result.success else result.benign, SIDE)


def _cells(bundle: Bundle, results: list[AttackResult]) -> dict[int, tuple[int, int]]:
    """Position of each result that was tried -> its cell of the matrix."""
    return {
        at: (result.true, result.predicted_after if result.success else len(bundle.classes))
        for at, result in enumerate(results)
        if result.tried
    }


def _charts(
    bundle: Bundle,
    results: list[AttackResult],
    cells: dict[int, tuple[int, int]],
    at: int | None,
) -> None:
    """The matrix, and beside it the images of its chosen cell or the curve."""
    if not cells:
        st.info("No image was attacked.")
        return
    row = st.container(horizontal=True, gap="small")
    cell = pick_cell(
        row.container(width=CHART_WIDTH),
        bundle.classes,
        list(cells.values()),
        title="What became of each class",
        key=CELL,
    )
    beside = row.container(width=CHART_WIDTH)
    if cell is not None:
        shown = [index for index, its in cells.items() if its == cell]
        true, after = (plain([*bundle.classes, HELD][label]) for label in cell)
        with beside:
            st.markdown(f"**{true} → {after}**: {counted(len(shown), 'image')}.")
            _strip(bundle, results, shown, at)
        return
    tried = [results[index] for index in cells]
    if tried[0].config.searches:
        hits = [result.first_hit for result in tried if result.success and result.first_hit]
        figure = success_curve(hits, len(tried), max(result.queries for result in tried))
        beside.plotly_chart(figure, key="curve")


def batch_words(results: list[AttackResult], unreached: int) -> str:
    """How many fell, with the interval, what it cost, and what does not count.

    Args:
        results: of a batch that has ended.
        unreached: images that have no result.
    """
    summary = summarise(results)
    outcomes = Counter(result.outcome for result in results)
    skipped, stopped = outcomes["skipped"], outcomes["stopped"]
    untried = unreached + outcomes["never tried"]
    notes = []
    if skipped:
        which = "it" if skipped == 1 else "them"
        notes.append(f"{skipped} skipped because the model gets {which} wrong already")
    if stopped:
        notes.append(f"{stopped} stopped before the end and counted as not broken")
    if untried:
        notes.append(f"{untried} never tried and not counted")
    extra = f" {'; '.join(notes).capitalize()}." if notes else ""
    if not summary["attacked"]:
        return f"No image was attacked.{extra}"
    rate = Rate(summary["succeeded"], summary["attacked"])
    of = counted(rate.n, "correctly classified image was", "correctly classified images were")
    text = (
        f"**{rate.k}** of {of} broken: "
        f"**{rate.percent(0)}** (95% interval {rate.interval(0)}), {rate.n - rate.k} not."
    )
    if results[0].config.searches:
        if summary["queries_median"] is not None:
            text += (
                f" Queries per success: {summary['queries_median']:,.0f} in the median, "
                f"{summary['queries_mean']:,.0f} on average."
            )
        text += f" {counted(summary['queries_total'], 'query', 'queries')} paid in all."
    return text + extra


def _table(bundle: Bundle, results: Sequence[AttackResult]) -> None:
    names = bundle.classes
    frame = pd.DataFrame(
        {
            "image": [result.id for result in results],
            "outcome": [result.outcome for result in results],
            "benign": [names[result.predicted_before] for result in results],
            "attacked": [names[result.predicted_after] for result in results],
            "sure of it": [100 * result.confidence_after for result in results],
            "queries": [result.queries for result in results],
            "found by": [
                ENGINES[result.found_by].title if result.success else "" for result in results
            ],
            "seconds": [result.seconds for result in results],
        }
    )
    picked_row(
        frame,
        [result.id for result in results],
        key=ROW,
        height=min(38 + 35 * len(results), 248),
        column_config=formats(
            {"%.1f%%": ["sure of it"], "localized": ["queries"], "%.1f": ["seconds"]}
        ),
    )
    st.caption("Tick a row to see that image below.")
    download_buttons(bundle, results, "batch")


def _outcome_words(bundle: Bundle, result: AttackResult) -> str:
    if not result.success:
        return result.outcome
    return f"{plain(bundle.classes[result.true])} → {plain(bundle.classes[result.predicted_after])}"
