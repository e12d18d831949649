"""A control for some of a few or of a thousand things: pills, or a box that can be searched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages.ui.frame.link import several

MOST_PILLS = 24


def pick_several(
    label: str, options: Sequence[str], *, key: str, most: int | None = None, **look: Any
) -> list[str]:
    """The chosen ones in the order of `options`; see `several`.

    Args:
        label: of the control.
        options: pills where they are few.
        key: of the control in the session.
        most: that can be chosen where they are many.
        look: further arguments of `several`.
    """
    make: Callable[..., Any] = st.pills
    if len(options) <= MOST_PILLS:
        look |= {"wrap": True}
    else:
        make = st.multiselect
        look |= {"max_selections": most, "placeholder": "Type to search"}
    on = set(several(make, label, options, key=key, **look))
    return [option for option in options if option in on]
