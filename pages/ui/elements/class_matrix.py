"""A matrix of true classes and outcomes whose cells can be clicked; the chosen one is a link's."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from ndcore.figures.lab.batch import class_matrix, count_outcomes
from pages.ui.frame.link import just_linked, recall, refuse, remember

Cell = tuple[int, int]


def pick_cell(
    place: DeltaGenerator,
    classes: Sequence[str],
    outcomes: Sequence[Cell],
    *,
    title: str,
    key: str,
    held: bool = True,
) -> Cell | None:
    """Count outcomes in a matrix; returns the cell that is chosen, or None.

    Args:
        place: where.
        classes: names.
        outcomes: (true class, outcome) of each image; outcome `len(classes)` = none was reached.
        title: heading.
        key: of the cell in the link.
        held: draw the column of that last outcome.
    """
    count = len(classes)
    true, after = [cell[0] for cell in outcomes], [cell[1] for cell in outcomes]
    counts = count_outcomes(true, after, [label < count for label in after], count)
    cell = linked_cell(outcomes, key=key)
    # A chart keeps its selection for as long as it keeps its key.
    chart = f"{key}_{st.session_state.get(f'{key}_round', 0)}"
    place.plotly_chart(
        class_matrix(counts, classes, title=title, held=held, marked=cell),
        on_select=lambda: _keep(key, clicked_cell(st.session_state[chart])),
        selection_mode="points",
        key=chart,
    )
    if cell is None:
        place.caption("Click a cell to see only its images.")
    else:
        place.button(
            "Show all again",
            icon=":material/close:",
            on_click=forget_cell,
            args=(key,),
            key=f"{key}_all",
        )
    return cell


def linked_cell(outcomes: Sequence[Cell], *, key: str) -> Cell | None:
    """The cell that the link names, or None."""
    asked = recall(key)
    match = re.fullmatch(r"(\d{1,4})-(\d{1,4})", asked)
    cell = (int(match[1]), int(match[2])) if match else None
    if cell not in outcomes:
        if just_linked(key):
            refuse("cell of the matrix", [asked])
        cell = None
    _keep(key, cell)
    return cell


def forget_cell(key: str) -> None:
    """Callback: no cell is chosen any more."""
    st.session_state[f"{key}_round"] = st.session_state.get(f"{key}_round", 0) + 1
    remember(key, "")


def _keep(key: str, cell: Cell | None) -> None:
    remember(key, "" if cell is None else f"{cell[0]}-{cell[1]}")


def clicked_cell(event: Any) -> Cell | None:
    """The cell in a chart's selection event, or None when it names none."""
    try:
        row, col = event["selection"]["points"][0]["customdata"][:2]
        return int(row), int(col)
    except (IndexError, KeyError, TypeError, ValueError):
        return None
