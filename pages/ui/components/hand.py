"""What a hand did to an image: pixels set one after another, with undo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ndcore.attacks import PixelChange

MOST_SPOTS = 5
MOST_STEPS = 200


@dataclass(frozen=True)
class Spot:
    """A pixel and its new colour, 8-bit values, one per channel."""

    row: int
    col: int
    colour: tuple[int, ...]

    @property
    def hex(self) -> str:
        """The colour as #rrggbb."""
        return _hex(self.colour)


@dataclass(frozen=True)
class Pick:
    """What a browser sent: a pixel (row, col) was picked, or only a colour (row is None)."""

    row: int | None
    col: int | None
    colour: tuple[int, ...]
    stamp: int


@dataclass(frozen=True)
class Hand:
    """Pixels set by hand.

    Attributes:
        steps: what was set after each step; the first is the start.
        colour: that the next picked pixel takes.
        several: keep earlier pixels, up to `MOST_SPOTS`; else a new one replaces the last.
        stamp: grows with every change, so that late answers are recognised.
    """

    steps: tuple[tuple[Spot, ...], ...] = ((),)
    colour: tuple[int, ...] = (255, 0, 0)
    several: bool = False
    stamp: int = 0

    @classmethod
    def start(cls, changes: Sequence[PixelChange], channels: int) -> Hand:
        """Begin with the pixels of an attack; none where it changed more than a hand can."""
        spots = tuple(Spot(change.row, change.col, change.after) for change in changes)
        if len(spots) > MOST_SPOTS:
            spots = ()
        first = (255,) + (0,) * (channels - 1)
        return cls((spots,), spots[-1].colour if spots else first, len(spots) > 1)

    @property
    def spots(self) -> tuple[Spot, ...]:
        """The pixels as they are set now; the last one is the one in hand."""
        return self.steps[-1]

    @property
    def hex(self) -> str:
        """The colour as #rrggbb."""
        return _hex(self.colour)

    @property
    def changes(self) -> list[PixelChange]:
        """The pixels, to be applied to the image."""
        return [PixelChange(spot.row, spot.col, (), spot.colour) for spot in self.spots]

    @property
    def token(self) -> str:
        """`3.5.ff0000~7.1.00ff00`: row, column and colour of each pixel; `-` without any."""
        return "~".join(f"{spot.row}.{spot.col}.{spot.hex[1:]}" for spot in self.spots) or "-"

    def take(self, pick: Pick) -> Hand:
        """Set a pixel, or give the last one another colour."""
        spots = self.spots
        if pick.row is not None and pick.col is not None:
            place = (pick.row, pick.col)
            others = tuple(spot for spot in spots if (spot.row, spot.col) != place)
            kept = others[-(MOST_SPOTS - 1) :] if self.several else ()
            spots = (*kept, Spot(*place, pick.colour))
        elif spots:
            spots = (*spots[:-1], replace(spots[-1], colour=pick.colour))
        steps = self.steps if spots == self.spots else (*self.steps, spots)[-MOST_STEPS:]
        return replace(self, steps=steps, colour=pick.colour, stamp=max(self.stamp, pick.stamp))

    def undo(self) -> Hand:
        """One step back."""
        steps = self.steps[:-1] or self.steps
        colour = steps[-1][-1].colour if steps[-1] else self.colour
        return replace(self, steps=steps, colour=colour, stamp=self.stamp + 1)

    def clear(self) -> Hand:
        """No pixel set; can be undone."""
        steps = (*self.steps, ()) if self.spots else self.steps
        return replace(self, steps=steps, stamp=self.stamp + 1)

    def keep_several(self, several: bool) -> Hand:
        """Whether earlier pixels stay; without, only the last one does."""
        hand = replace(self, several=several, stamp=self.stamp + 1)
        if several or len(self.spots) < 2:
            return hand
        return replace(hand, steps=(*self.steps, self.spots[-1:]))


def read_pick(value: Any, shape: Sequence[int]) -> Pick | None:
    """What a browser sent, checked against (H, W, C); None when it makes no sense."""
    height, width, channels = shape
    try:
        colour = bytes.fromhex(re.fullmatch(r"#([0-9a-f]{6})", value["colour"])[1])  # type: ignore[index]
        stamp = int(value["stamp"])
        if value["by"] == "colour":
            return Pick(None, None, tuple(colour[:channels]), stamp)
        row, col = int(value["row"]), int(value["col"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if not (0 <= row < height and 0 <= col < width):
        return None
    return Pick(row, col, tuple(colour[:channels]), stamp)


def read_changes(token: str, shape: Sequence[int]) -> list[PixelChange] | None:
    """The pixels of `Hand.token`, checked against (H, W, C); None when it makes no sense."""
    changes = []
    for part in [] if token == "-" else token.split("~"):
        row, _, rest = part.partition(".")
        col, _, colour = rest.partition(".")
        sent = {"by": "pixel", "row": row, "col": col, "colour": f"#{colour}", "stamp": 0}
        pick = read_pick(sent, shape)
        if pick is None or pick.row is None or pick.col is None:
            return None
        changes.append(PixelChange(pick.row, pick.col, (), pick.colour))
    return changes if len(changes) <= MOST_SPOTS else None


def _hex(colour: tuple[int, ...]) -> str:
    return "#" + bytes(colour * 3 if len(colour) == 1 else colour).hex()
