"""Parts of a page that stand side by side where there is room and fill its width."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def side_by_side(key: str, least: str) -> DeltaGenerator:
    """A container whose parts are equally wide, in as many columns as fit.

    Args:
        key: of the container.
        least: CSS width that a part is at least given, where the page is so wide.
    """
    # Streamlit's columns go on one line at any width above 640 px.
    st.html(
        f"<style>.st-key-{key}{{display:grid;"
        f"grid-template-columns:repeat(auto-fit,minmax(min({least},100%),1fr));"
        "align-items:stretch}</style>"
    )
    return st.container(key=key)
