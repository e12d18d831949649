"""What every page teaches the browser: one entry of the history a page, and a link to the content.

The link is the first stop of the keyboard and shows when it has the focus.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_COMPONENT = st.components.v2.component(
    "page_frame",
    html="<i></i>",
    css=":host { display: none; }",
    js=(Path(__file__).parent / "page_frame.js").read_text(),
)


def page_frame() -> None:
    """Let one press of Back leave a page; to be called before the address changes."""
    _COMPONENT(key="page_frame")
