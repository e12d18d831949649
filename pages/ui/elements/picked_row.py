"""A table with a row to tick; the ticked row's name is in the link."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from pages.ui.frame.link import just_linked, recall, refuse, remember


def picked_row(frame: pd.DataFrame, names: Sequence[str], *, key: str, **look: Any) -> int | None:
    """Draw the table; returns the position of the ticked row, or None.

    Args:
        frame: at least one row.
        names: of the rows, each once.
        key: of the row in the link.
        look: further arguments of `st.dataframe`.
    """
    at = linked_row(names, key=key)
    # A table keeps its tick by position, so other rows make it another table.
    table = f"{key}_{hashlib.sha256(repr(names).encode()).hexdigest()[:12]}"

    def take() -> None:
        ticked = st.session_state[table]["selection"]["rows"]
        remember(key, names[ticked[0]] if ticked else "")

    st.dataframe(
        frame,
        hide_index=True,
        on_select=take,
        selection_mode="single-row",
        selection_default={"selection": {"rows": [] if at is None else [at]}},
        key=table,
        **look,
    )
    return at


def linked_row(names: Sequence[str], *, key: str) -> int | None:
    """Position of the row that the link names, or None."""
    asked = recall(key)
    if asked in names:
        return names.index(asked)
    if just_linked(key):
        refuse("row", [asked])
        remember(key, "")
    return None
