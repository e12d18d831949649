"""A server as it starts: nothing cached, no job running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import streamlit as st

from pages.ui.frame import loaders


@pytest.fixture(autouse=True)
def _fresh_server() -> Iterator[None]:
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    loaders.jobs().shutdown()
    st.cache_resource.clear()  # a queue that was shut down is no queue for the next test
