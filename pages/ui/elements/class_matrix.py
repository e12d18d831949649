"""A class matrix whose cells can be clicked, and which can forget the click."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

__all__ = ["clicked_cell", "forget_cell", "pick_cell"]


def pick_cell(figure: go.Figure, place: DeltaGenerator, key: str) -> tuple[int, int] | None:
    """Draw a `class_matrix`; returns (true class, outcome) of the clicked cell, or None."""
    event = place.plotly_chart(
        figure,
        on_select="rerun",
        selection_mode="points",
        # A chart keeps its selection for as long as it keeps its key.
        key=f"{key}_{st.session_state.get(f'{key}_round', 0)}",
    )
    return clicked_cell(event)


def forget_cell(key: str) -> None:
    """Callback: no cell is chosen any more."""
    st.session_state[f"{key}_round"] = st.session_state.get(f"{key}_round", 0) + 1


def clicked_cell(event: Any) -> tuple[int, int] | None:
    """The cell in a chart's selection event, or None when it names none."""
    try:
        row, col = event["selection"]["points"][0]["customdata"][:2]
        return int(row), int(col)
    except (IndexError, KeyError, TypeError, ValueError):
        return None
