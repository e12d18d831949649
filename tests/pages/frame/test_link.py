"""Controls bound to the link: set, linked, opened elsewhere; nonsense is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from operator import setitem

import pytest
from streamlit.testing.v1 import AppTest


def page() -> None:
    import streamlit as st

    from pages.ui.frame import link

    st.session_state["got"] = [
        link.choice(st.selectbox, "Engine", ["fast", "de"], key="box", name="engine"),
        link.choice(st.segmented_control, "Pixels", [1, 3, 5], key="pixels"),
        link.choice(st.select_slider, "Alpha", [0.01, 0.05], key="alpha", default=0.05),
        link.several(st.pills, "Classes", ["cat", "a, b", "dog"], key="classes", default=["cat"]),
        link.number(st.slider, "Epsilon", 1, 32, 8, key="epsilon"),
        link.number(st.number_input, "Share", 0.0, 1.0, 0.5, key="share"),
        link.switch(st.toggle, "Only here", key="here", default=True),
        link.text(st.text_input, "Find", key="find"),
        next(i for i, tab in enumerate(link.tabs(["One", "Two"], key="bar")) if tab.open),
        link.box(st.expander, "Numbers", key="unfolded").open,
    ]


DEFAULTS = ["fast", 1, 0.05, ["cat"], 8, 0.5, True, "", 0, False]
OTHERS = ["de", 3, 0.01, ["a, b", "dog"], 9, 0.25, False, "cat", 1, True]
LINK = {
    "engine": ["de"],
    "pixels": ["3"],
    "alpha": ["0.01"],
    "classes": ["a, b", "dog"],
    "epsilon": ["9"],
    "share": ["0.25"],
    "here": ["0"],
    "find": ["cat"],
    "bar": ["Two"],
    "unfolded": ["1"],
}


def opened(link: dict[str, list[str]]) -> AppTest:
    at = AppTest.from_function(page)
    for name, values in link.items():
        at.query_params[name] = values
    at.run()
    assert not at.exception
    return at


def params(at: AppTest) -> dict[str, list[str]]:
    found = dict(at.query_params)
    return {name: [value] if isinstance(value, str) else value for name, value in found.items()}


def test_defaults_leave_the_link_empty() -> None:
    at = opened({})
    assert at.session_state["got"] == DEFAULTS
    assert params(at) == {}


def test_what_the_link_says_is_set_and_stays_in_it() -> None:
    at = opened(LINK)
    assert at.session_state["got"] == OTHERS
    assert params(at) == LINK
    assert not at.warning


SET: list[tuple[int, Callable[[AppTest], object]]] = [
    (0, lambda at: at.selectbox(key="box").select("de")),
    (1, lambda at: at.segmented_control(key="pixels").set_value(3)),
    (2, lambda at: at.select_slider(key="alpha").set_value(0.01)),
    (3, lambda at: at.pills(key="classes").set_value(["a, b", "dog"])),
    (4, lambda at: at.slider(key="epsilon").set_value(9)),
    (5, lambda at: at.number_input(key="share").set_value(0.25)),
    (6, lambda at: at.toggle(key="here").set_value(False)),
    (7, lambda at: at.text_input(key="find").set_value(" cat ")),
    (8, lambda at: setitem(at.session_state, "bar", "Two")),
    (9, lambda at: setitem(at.session_state, "unfolded", True)),
]


@pytest.mark.parametrize(("place", "turn"), SET, ids=list(LINK))
def test_what_is_set_is_in_the_link_and_opens_elsewhere(
    place: int, turn: Callable[[AppTest], object]
) -> None:
    at = opened({})
    turn(at)
    at.run()
    wanted = [
        other if i == place else usual
        for i, (usual, other) in enumerate(zip(DEFAULTS, OTHERS, strict=True))
    ]
    assert at.session_state["got"] == wanted
    name = list(LINK)[place]
    assert params(at) == {name: LINK[name]}
    assert opened(params(at)).session_state["got"] == wanted


@pytest.mark.parametrize(
    "value", ["", "moon", "9" * 400, "<b>x</b>", "nan", "-1", "1e9", "[a](http://b)"]
)
@pytest.mark.parametrize("name", [name for name in LINK if name != "find"])
def test_nonsense_is_one_sentence_and_the_default_holds(name: str, value: str) -> None:
    at = opened({name: [value]})
    assert at.session_state["got"] == DEFAULTS
    assert len(at.warning) == 1
    assert params(at) == {}


def test_no_class_at_all_is_something_a_link_can_say() -> None:
    at = opened({})
    at.pills(key="classes").set_value([]).run()
    assert at.session_state["got"][3] == []
    assert opened(params(at)).session_state["got"][3] == []


def test_older_links_write_classes_with_commas() -> None:
    assert opened({"classes": ["cat,dog"]}).session_state["got"][3] == ["cat", "dog"]


def any_of() -> None:
    import streamlit as st

    from pages.ui.frame import link

    options = list(st.session_state.get("options", "abcde"))
    st.session_state["got"] = link.several(
        st.multiselect, "Curves", options, key="curves", default=options[:2], max_selections=3
    )


def test_several_keep_their_order_and_are_no_more_than_may_be_chosen() -> None:
    at = AppTest.from_function(any_of)
    at.query_params["curves"] = ["d", "a", "d", "b", "c"]
    at.run()
    assert not at.exception
    assert at.session_state["got"] == ["d", "a", "b"]
    at.session_state["options"] = "vwxyz"
    at.run()
    assert at.session_state["got"] == ["v", "w"], "none of those chosen is there any longer"
    at.multiselect(key="curves").set_value([]).run()
    at.session_state["options"] = "abcde"
    at.run()
    assert at.session_state["got"] == []
