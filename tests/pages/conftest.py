"""A server as it starts: nothing cached, no job running."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import streamlit as st

from pages.ui.elements.made_once import MADE
from pages.ui.frame import loaders


@pytest.fixture(autouse=True)
def _fresh_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(loaders, "jobs_dir", lambda: tmp_path / "jobs")
    st.cache_data.clear()
    st.cache_resource.clear()
    MADE.clear()
    yield
    loaders.jobs().shutdown()
    st.cache_resource.clear()  # a queue that was shut down is no queue for the next test
