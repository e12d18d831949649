"""The table beside a figure, as a file."""

from __future__ import annotations

import pandas as pd
import streamlit as st

__all__ = ["csv_button"]


def csv_button(frame: pd.DataFrame, file: str, key: str) -> None:
    """A button that makes the CSV of `frame` when it is pressed.

    Args:
        frame: without its index.
        file: name of the file, with its suffix.
        key: of the button.
    """
    st.download_button(
        "CSV",
        lambda: frame.to_csv(index=False),
        file,
        icon=":material/download:",
        on_click="ignore",
        key=key,
    )
