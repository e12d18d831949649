"""Parts that share the width of the page, and stand below each other where it is narrow."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def side_by_side(key: str, least: int) -> DeltaGenerator:
    """A row to put containers into.

    Args:
        key: of the row.
        least: CSS pixels that a part is at least wide, where the page is.
    """
    st.html(f"<style>.st-key-{key}>div{{flex:1 1 {least}px;min-width:min({least}px,100%)}}</style>")
    return st.container(horizontal=True, gap="medium", key=key)
