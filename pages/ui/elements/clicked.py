"""What was clicked in a chart."""

from __future__ import annotations

from typing import Any

import streamlit as st


def clicked(key: str) -> list[Any] | None:
    """The `customdata` of the point that was clicked last in a chart, or None."""
    try:
        found = st.session_state[key]["selection"]["points"][-1]["customdata"]
        return list(found)
    except (IndexError, KeyError, TypeError):
        return None
