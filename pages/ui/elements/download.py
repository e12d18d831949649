"""A button that makes a file when it is pressed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator


def download(
    label: str,
    make: Callable[[], str | bytes],
    file: str,
    *,
    key: str,
    place: DeltaGenerator | None = None,
    **look: Any,
) -> None:
    """The button; a press runs no page.

    Args:
        label: of the button.
        make: called when it is pressed.
        file: name of the file, with its suffix.
        key: of the button.
        place: where; default: the page.
        look: further arguments of `st.download_button`.
    """
    look = {"icon": ":material/download:"} | look
    (place or st).download_button(label, make, file, on_click="ignore", key=key, **look)
