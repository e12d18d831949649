"""The table beside a figure: in an expander, and as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd
import pyarrow as pa
import streamlit as st

from pages.ui.elements.download import download
from pages.ui.frame.link import box

# The latter as the browser gets it, which costs nothing again.
Table: TypeAlias = pd.DataFrame | pa.Table


def csv_button(frame: Table, file: str, key: str) -> None:
    """A button that makes the CSV of `frame`, without its index, when it is pressed."""

    def made() -> str:
        held = frame if isinstance(frame, pd.DataFrame) else frame.to_pandas()
        return str(held.to_csv(index=False))

    download("CSV", made, file, key=key)


def folded_table(label: str, make: Callable[[], Table], file: str, key: str) -> None:
    """The table with its CSV, folded, and made while it is not; `key` begins the keys of both."""
    with box(st.expander, f"Numbers: {label}", key=f"{key}_table") as opened:
        if opened.open:
            frame = make()
            st.dataframe(frame, hide_index=True, key=f"{key}_numbers")
            csv_button(frame, file, f"{key}_csv")


def formats(
    columns: Mapping[str, Sequence[str]], about: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What `st.dataframe` takes of columns.

    Args:
        columns: format, such as `percent` or `%.3f`, -> columns.
        about: column -> what it says, shown on pointing at its head.
    """
    told = about or {}
    found = {
        name: st.column_config.NumberColumn(format=form, help=told.get(name))
        for form, names in columns.items()
        for name in names
    }
    return {name: st.column_config.Column(help=words) for name, words in told.items()} | found
