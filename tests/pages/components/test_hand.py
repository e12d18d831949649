"""Pixels set by hand: replaced, recoloured, undone; nonsense from a browser is no pick."""

from __future__ import annotations

import pytest

from ndcore.attacks import PixelChange
from pages.ui.components.hand import MOST_SPOTS, Hand, Pick, read_pick

RED, BLUE = (255, 0, 0), (0, 0, 255)


def at(row: int, col: int, colour: tuple[int, ...] = RED, stamp: int = 1) -> Pick:
    return Pick(row, col, colour, stamp)


def places(hand: Hand) -> list[tuple[int, int]]:
    return [(spot.row, spot.col) for spot in hand.spots]


def test_a_new_pixel_replaces_the_last_one_and_can_be_undone() -> None:
    hand = Hand().take(at(1, 2)).take(at(3, 4, BLUE, 2))
    assert places(hand) == [(3, 4)]
    assert hand.colour == BLUE
    assert hand.stamp == 2
    back = hand.undo()
    assert places(back) == [(1, 2)]
    assert back.colour == RED
    assert back.stamp > hand.stamp
    assert back.undo().undo().undo().spots == ()


def test_a_colour_alone_recolours_the_last_pixel() -> None:
    hand = Hand().take(at(1, 2)).take(Pick(None, None, BLUE, 2))
    assert hand.spots[0].colour == BLUE
    assert hand.spots[0].hex == "#0000ff"
    assert Hand().take(Pick(None, None, BLUE, 1)).spots == ()


def test_several_pixels_are_kept_up_to_a_limit() -> None:
    hand = Hand().keep_several(True)
    for col in range(MOST_SPOTS + 2):
        hand = hand.take(at(0, col))
    assert places(hand) == [(0, col) for col in range(2, MOST_SPOTS + 2)]
    again = hand.take(at(0, 3, BLUE))
    assert len(again.spots) == MOST_SPOTS
    assert again.spots[-1].colour == BLUE
    assert places(again.keep_several(False)) == [(0, 3)]
    assert again.clear().spots == ()
    assert places(again.clear().undo()) == places(again)


def test_a_hand_begins_with_an_attack_but_not_with_a_whole_image() -> None:
    changes = [PixelChange(0, col, (0,), (9,)) for col in range(MOST_SPOTS + 1)]
    assert Hand.start(changes[:1], 1).hex == "#090909"
    assert Hand.start(changes[:3], 1).several
    assert Hand.start(changes, 1).spots == ()
    assert Hand.start([], 1).colour == (255,)


@pytest.mark.parametrize(
    "value",
    [None, {}, "x", {"by": "pixel", "stamp": 1, "colour": "#ff0000", "row": 8, "col": 0},
     {"by": "pixel", "stamp": 1, "colour": "#ff0000", "row": -1, "col": 0},
     {"by": "pixel", "stamp": 1, "colour": "red", "row": 1, "col": 0},
     {"by": "pixel", "stamp": "x", "colour": "#ff0000", "row": 1, "col": 0},
     {"by": "pixel", "stamp": 1, "colour": "#ff0000"}],
)  # fmt: skip
def test_nonsense_from_a_browser_is_no_pick(value: object) -> None:
    assert read_pick(value, (8, 8, 1)) is None


def test_a_pick_is_read_for_the_channels_of_the_model() -> None:
    value = {"by": "pixel", "stamp": 4, "colour": "#102030", "row": 1, "col": 2}
    assert read_pick(value, (8, 8, 3)) == Pick(1, 2, (16, 32, 48), 4)
    assert read_pick(value, (8, 8, 1)) == Pick(1, 2, (16,), 4)
    assert read_pick(value | {"by": "colour"}, (8, 8, 1)) == Pick(None, None, (16,), 4)
