"""What the link holds, kept in this session too."""

from __future__ import annotations

import streamlit as st

__all__ = ["just_linked", "recall", "remember"]


def recall(name: str, default: str = "") -> str:
    """A choice from the link, else from this session, else the default."""
    if name in st.query_params:
        return str(st.query_params[name])
    return str(st.session_state.get(f"kept_{name}", default))


def just_linked(name: str) -> bool:
    """Whether the link holds a choice that this session did not put there: it was followed."""
    value = st.query_params.get(name)
    return value is not None and value != st.session_state.get(f"kept_{name}")


def remember(name: str, value: str) -> None:
    """Keep a choice for the other pages and put it into the link; "" takes it out."""
    st.session_state[f"kept_{name}"] = value
    if value:
        if st.query_params.get(name) != value:
            st.query_params[name] = value
    elif name in st.query_params:
        del st.query_params[name]
