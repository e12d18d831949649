"""Every control of every page: set it, copy the link, open it in a fresh session, find the same.

A page shows other controls in other states; each state below is a link that brings some out.
"""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from tests.ui import opened

KINDS = (
    "selectbox",
    "button_group",
    "slider",
    "select_slider",
    "number_input",
    "toggle",
    "checkbox",
    "radio",
    "multiselect",
    "text_input",
)
# What a link does not hold, and why.
LEFT_OUT: dict[str, str] = {}
STATES: dict[str, tuple[str, dict[str, str]]] = {
    "home": ("Home.py", {}),
    "lab": ("pages/1_Attack_Lab.py", {"source": "digits"}),
    "lab, gallery": ("pages/1_Attack_Lab.py", {"source": "gallery"}),
    "lab, pgd": ("pages/1_Attack_Lab.py", {"source": "digits", "engine": "pgd"}),
    "explorer": ("pages/2_Activation_Explorer.py", {}),
    "detector": ("pages/3_Divergence_Detector.py", {}),
}


def controls(at: AppTest) -> dict[str, Any]:
    found = [element for kind in KINDS for element in at.get(kind)]
    return {each.key: each for each in found if each.key and not each.proto.disabled}


def turned(element: Any) -> WidgetState | None:
    """What a browser would send after another value was chosen; None where there is no other."""
    state = WidgetState(id=element.id)
    now = element._widget_state
    if element.type in ("toggle", "checkbox"):
        state.bool_value = not element.value
    elif element.type == "number_input":
        step = element.proto.step or 1
        up = element.value + step <= element.max if element.max is not None else True
        state.double_value = element.value + (step if up else -step)
    elif element.type == "slider":
        step = element.proto.step
        up = element.value + step <= element.max
        state.double_array_value.data[:] = [element.value + (step if up else -step)]
    elif element.type == "text_input":
        state.string_value = "cat"
    else:
        options = list(element.options)
        held = [now.string_value] if element.type == "selectbox" else [*now.string_array_value.data]
        others = [option for option in options if option not in held]
        if not others:
            return None
        if element.type == "selectbox":
            state.string_value = others[-1]
        else:
            state.string_array_value.data[:] = [others[-1]]
    return state


@pytest.mark.parametrize("state", STATES)
@pytest.mark.usefixtures("digits_bundle")
def test_what_is_set_opens_elsewhere(state: str) -> None:
    page, link = STATES[state]
    at = opened(page, **({"bundle": "digits-cnn"} | link))
    untouched = {key: each.value for key, each in controls(at).items()}
    for key in untouched:
        # One after the other: what a choice hides is set no more.
        if key in LEFT_OUT or key not in controls(at):
            continue
        element = controls(at)[key]
        sent = turned(element)
        if sent is None:
            continue
        element.__class__ = type("Turned", (type(element),), {"_widget_state": sent})
        at.run()
        assert not at.exception, key
    wanted = {key: each.value for key, each in controls(at).items() if key not in LEFT_OUT}
    assert any(untouched.get(key) != value for key, value in wanted.items())
    fresh = opened(page, **dict(at.query_params))
    assert not fresh.exception
    assert not fresh.warning
    assert {key: each.value for key, each in controls(fresh).items() if key in wanted} == wanted
