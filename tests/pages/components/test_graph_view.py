"""What a browser says it keeps of the Concept Graph is checked."""

from __future__ import annotations

import pytest

from pages.ui.components.graph.graph_view import LONGEST, Pin, parse_pin


def test_a_pin_is_read() -> None:
    assert parse_pin({"pinned": "dense_1:3", "stamp": 4}) == Pin("dense_1:3", 4)
    assert parse_pin({"pinned": "", "stamp": 5}) == Pin("", 5)


@pytest.mark.parametrize("value", [None, {}, {"pinned": "x"}, {"pinned": "x", "stamp": "much"}, 3])
def test_nonsense_is_no_pin(value: object) -> None:
    assert parse_pin(value) is None


def test_a_long_name_is_cut() -> None:
    found = parse_pin({"pinned": "x" * 9999, "stamp": 1})
    assert found is not None
    assert len(found.name) == LONGEST
