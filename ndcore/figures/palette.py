"""Colours with one meaning on every page, told apart by colour-blind readers too.

The order of the class colours gives cat (3) orange and dog (5) purple in CIFAR-10. Attacked is
red and benign the colour of ink, so neither hue is used for a class.
"""

from __future__ import annotations

__all__ = ["ATTACKED", "BENIGN", "MUTED", "class_colours", "rgba"]

ATTACKED = "#e5202b"
BENIGN = {"light": "#14181f", "dark": "#f4f6fa"}
MUTED = "#8792a2"

_CLASSES = (
    "#4896f2",  # blue
    "#903b09",  # rust
    "#f2c230",  # yellow
    "#f08c1a",  # orange
    "#2e9e4f",  # green
    "#8e56d9",  # purple
    "#69bb49",  # lime
    "#948570",  # taupe
    "#30c0d2",  # teal
    "#fe77ae",  # pink
)


def class_colours(n: int) -> list[str]:
    """`n` colours in class order as #rrggbb; they repeat after the tenth."""
    return [_CLASSES[index % len(_CLASSES)] for index in range(n)]


def rgba(colour: str, alpha: float) -> str:
    """A #rrggbb colour with an opacity, as CSS and plotly read it."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"
