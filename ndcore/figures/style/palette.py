"""Colours with one meaning on every page, told apart by colour-blind readers too.

The order of the class colours gives cat (3) orange and dog (5) purple in CIFAR-10. Attacked is
red and benign the colour of ink, so neither hue is used for a class or for a further instance.
"""

from __future__ import annotations

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

# The same hues in two tones, for dots on a white and on a dark page. Each list was searched for the
# largest least distance in Lab under full vision, deuteranopia and protanopia, red and ink
# included: 21 on the light page, 31 on the dark one.
_INSTANCES = {
    "light": ("#0046fa", "#462800", "#1ea0a0", "#78146e", "#3c96dc", "#5a0aa0", "#5aa06e"),
    "dark": ("#8282fa", "#fae614", "#3caa8c", "#a03c96", "#78c8fa", "#8c0afa", "#dcf096"),
}


def class_colours(n: int) -> list[str]:
    """`n` colours in class order as #rrggbb; they repeat after the tenth."""
    return [_CLASSES[index % len(_CLASSES)] for index in range(n)]


def instance_colours(n: int, theme: str) -> list[str]:
    """`n` colours for the instances after the current pair; they repeat after the seventh.

    Args:
        n: how many.
        theme: `light` or `dark`; the tone stands out from that theme's background.
    """
    tones = _INSTANCES[theme]
    return [tones[index % len(tones)] for index in range(n)]


def rgba(colour: str, alpha: float) -> str:
    """A #rrggbb colour with an opacity, as CSS and plotly read it."""
    red, green, blue = (int(colour[start : start + 2], 16) for start in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {alpha:g})"
