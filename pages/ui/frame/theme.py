"""Whether a page is light or dark, and its ink, for pictures that the browser does not colour."""

from __future__ import annotations

import streamlit as st

from ndcore.figures.style.palette import BENIGN


def page_theme() -> str:
    """`light` or `dark`."""
    return "dark" if st.context.theme.type == "dark" else "light"


def page_ink() -> str:
    """#rrggbb of the benign image and of what is chosen."""
    return BENIGN[page_theme()]
