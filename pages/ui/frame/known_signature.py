"""Functions whose signature is looked up once: Streamlit's caches ask for it at every call."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def known_signature(function: F) -> F:
    """Decorator, under `st.cache_data` or `st.cache_resource`: ask now, answer from then on."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function
