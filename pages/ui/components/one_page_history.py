"""One entry of the browser's history for each page, whatever its address says meanwhile."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_COMPONENT = st.components.v2.component(
    "one_page_history",
    html="<i></i>",
    css=":host { display: none; }",
    js=(Path(__file__).parent / "one_page_history.js").read_text(),
)


def one_page_history() -> None:
    """Let one press of Back leave a page; to be called before the address changes."""
    _COMPONENT(key="one_page_history")
