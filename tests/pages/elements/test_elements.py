"""Small elements of several pages: a clicked cell, rings around changed pixels."""

from __future__ import annotations

import pytest

from ndcore.attacks import PixelChange
from pages.ui.elements.class_matrix import clicked_cell
from pages.ui.elements.pictures import rings


@pytest.mark.parametrize(
    ("event", "cell"),
    [
        (None, None),
        ({"selection": {"points": []}}, None),
        ({"selection": {"points": [{"x": 1}]}}, None),
        ({"selection": {"points": [{"customdata": [3, 5, 9]}]}}, (3, 5)),
    ],
)
def test_a_clicked_cell(event: object, cell: object) -> None:
    assert clicked_cell(event) == cell


def test_a_few_changed_pixels_are_ringed() -> None:
    assert rings([PixelChange(1, 2, (0,), (1,))]) == ((1, 2),)
    assert rings([PixelChange(1, 2, (0,), (1,))] * 6) == ()
