"""The link: the part of a page's state that its address holds, and the controls bound to it.

A value is kept in the session too, so that it follows the user from page to page. A link was
followed where the address holds what this session did not put there. Streamlit's own
`bind="query-params"` (1.67) is not used: it writes labels instead of values, empties the address
of the page that is left, so that Back shows defaults, and drops nonsense without a word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import streamlit as st

from pages.ui.frame.words import plain

LONGEST_TEXT = 200

T = TypeVar("T")


def recall(name: str, default: str = "") -> str:
    """A value from the link, else from this session, else the default."""
    if name in st.query_params:
        return str(st.query_params[name])
    return (_kept(name) or [default])[-1]


def just_linked(name: str) -> bool:
    """Whether the link holds a value that this session did not put there: it was followed."""
    found = st.query_params.get_all(name)
    return bool(found) and found != _kept(name)


def remember(name: str, value: str | Sequence[str]) -> None:
    """Keep a value for the other pages and put it into the link; "" takes it out."""
    values = [part for part in ([value] if isinstance(value, str) else value) if part]
    st.session_state[f"kept_{name}"] = values
    if values and st.query_params.get_all(name) != values:
        st.query_params[name] = values
    elif not values and name in st.query_params:
        del st.query_params[name]


def choice(
    make: Callable[..., Any],
    label: str,
    options: Sequence[T],
    *,
    key: str,
    default: T | None = None,
    name: str = "",
    **look: Any,
) -> T:
    """A control for one of several options.

    Args:
        make: `st.selectbox`, `st.segmented_control`, `st.select_slider` or `st.radio`, of the
            page or of a container.
        label: of the control.
        options: at least one; the link holds `str(option)`.
        key: of the control in the session; `st.session_state[key]` set by a callback wins.
        default: not in the link; the first option where it is None.
        name: in the link, where it is not the key.
        look: further arguments of `make`.
    """
    name = name or key
    usual = options[0] if default is None else default
    by_text = {str(option): option for option in options}
    if just_linked(name):
        asked = recall(name)
        if asked not in by_text:
            refuse(label, [asked])
        st.session_state[key] = by_text.get(asked, usual)
    elif st.session_state.get(key) not in options:
        st.session_state[key] = by_text.get(recall(name), usual)
    elif "format_func" in look:
        # The browser keeps an option by its label, which may be another one now.
        st.session_state[key] = st.session_state[key]
    if make.__name__ == "segmented_control":
        look = {"required": True} | look
    chosen: T = make(label, options, key=key, **look)
    remember(name, "" if chosen == usual else str(chosen))
    return chosen


def several(
    make: Callable[..., Any],
    label: str,
    options: Sequence[str],
    *,
    key: str,
    default: Sequence[str] = (),
    name: str = "",
    **look: Any,
) -> list[str]:
    """A control for any number of options, `st.pills` or `st.multiselect`; see `choice`.

    The link holds the options one by one, as older links do with commas between; `-` is none.
    Their order is the user's. Where none of those that were chosen is an option any longer, such
    as after another bundle was opened, the default holds.
    """
    name = name or key
    linked = just_linked(name)
    asked = list(st.session_state.get(key, _kept(name) or default))
    if linked:
        asked = st.query_params.get_all(name)
        if len(asked) == 1 and asked[0] not in options:
            asked = asked[0].split(",")
        wrong = [part for part in asked if part not in options and part != "-"]
        if wrong:
            refuse(label, wrong)
    known = list(dict.fromkeys(part for part in asked if part in options))
    none = not asked or asked == ["-"]
    held = known if known or none else list(default)
    st.session_state[key] = held[: look.get("max_selections")]
    if make.__name__ == "pills":
        look = {"selection_mode": "multi"} | look
    chosen = list(make(label, options, key=key, **look))
    remember(name, [] if chosen == list(default) else chosen or "-")
    return chosen


def number(
    make: Callable[..., Any],
    label: str,
    least: T,
    most: T,
    default: T,
    *,
    key: str,
    name: str = "",
    **look: Any,
) -> T:
    """A control for a number from `least` to `most`, `st.slider` or `st.number_input`.

    All three are whole, or all three floats; see `choice`.
    """
    name = name or key
    low: Any = least
    kind = type(low)
    kept: Any = st.session_state.get(key)
    if just_linked(name) or kept is None:
        try:
            kept = kind(recall(name, str(default))[:40])
        except ValueError:
            kept = None
        if kept is None or not low <= kept <= most:
            if just_linked(name):
                refuse(label, [recall(name)])
            kept = default
    st.session_state[key] = min(max(kept, low), most)
    chosen: T = make(label, least, most, key=key, **look)
    remember(name, "" if chosen == default else str(chosen))
    return chosen


def switch(
    make: Callable[..., Any],
    label: str,
    *,
    key: str,
    default: bool = False,
    name: str = "",
    **look: Any,
) -> bool:
    """An on/off control, `st.toggle` or `st.checkbox`: `1` or `0` in the link; see `choice`."""
    name = name or key
    asked = recall(name, "1" if default else "0")
    if just_linked(name) and asked not in ("0", "1"):
        refuse(label, [asked])
        asked = "1" if default else "0"
    if just_linked(name) or key not in st.session_state:
        st.session_state[key] = asked == "1"
    chosen = bool(make(label, key=key, **look))
    remember(name, "" if chosen == default else str(int(chosen)))
    return chosen


def text(make: Callable[..., Any], label: str, *, key: str, name: str = "", **look: Any) -> str:
    """A line of text, `st.text_input`, without spaces around it; see `choice`."""
    name = name or key
    if just_linked(name) or key not in st.session_state:
        st.session_state[key] = recall(name)[:LONGEST_TEXT]
    typed = str(make(label, key=key, max_chars=LONGEST_TEXT, **look)).strip()
    remember(name, typed)
    return typed


def tabs(labels: Sequence[str], *, key: str, name: str = "") -> list[Any]:
    """A tab bar, `st.tabs`; of the tabs only the one that is `open` need be filled."""
    bar: list[Any] = []

    def make(_: str, options: Sequence[str], **look: Any) -> str:
        bar.extend(st.tabs(options, on_change="rerun", **look))
        return next((label for label, tab in zip(options, bar, strict=True) if tab.open), labels[0])

    choice(make, "the tab", labels, key=key, name=name)
    return bar


def box(make: Callable[..., Any], label: str, *, key: str, name: str = "", **look: Any) -> Any:
    """An `st.expander` or `st.popover` that need only be filled while it is `open`."""
    made: list[Any] = []

    def unfold(label: str, **look: Any) -> bool:
        made.append(make(label, on_change="rerun", **look))
        return bool(made[0].open)

    switch(unfold, label, key=key, name=name, **look)
    return made[0]


def refuse(label: str, asked: Sequence[str]) -> None:
    """One sentence for values of a link that make no sense."""
    told = ", ".join(plain(part) for part in asked)
    label = label.strip("*")
    st.warning(f"The link asks for {label[:1].lower()}{label[1:]} “{told}”, which there is not.")


def _kept(name: str) -> list[str]:
    return list(st.session_state.get(f"kept_{name}", []))
