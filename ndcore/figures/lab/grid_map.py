"""The vulnerability map as colours, words and legends: what one pixel does to the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from ndcore.figures.style.palette import MUTED, channels, class_colours, rgba
from ndcore.figures.style.ramp import ramp_bar, ramp_rgba

NO_FLIP = 0.27  # opacity


def lowest_colours(lowest: NDArray[np.floating], top: float) -> NDArray[np.uint8]:
    """RGBA (H, W, 4) of the lowest true-class probability per pixel.

    Args:
        lowest: (H, W), NaN where nothing was tried (drawn transparent).
        top: probability of the untouched image, the dark end; 0 is the bright end.
    """
    return ramp_rgba(1 - lowest / max(top, 1e-9))


def flip_colours(
    flips_to: NDArray[np.integer], tried: NDArray[np.bool_], classes: int
) -> NDArray[np.uint8]:
    """RGBA (H, W, 4): the class each pixel flips to in its colour, faint grey for no flip.

    Args:
        flips_to: (H, W) class position, -1 for no flip.
        tried: bool (H, W); elsewhere transparent.
        classes: how many there are.
    """
    palette = np.array(
        [
            *((*channels(colour), 255) for colour in class_colours(classes)),
            (*channels(MUTED), round(255 * NO_FLIP)),
        ],
        np.uint8,
    )
    colours = palette[np.where(flips_to >= 0, flips_to, classes)]
    colours[~tried] = 0
    return np.asarray(colours)


def map_tips(
    lowest: NDArray[np.floating],
    flips_to: NDArray[np.integer],
    colours: NDArray[np.uint8],
    classes: Sequence[str],
    true: int,
) -> list[str]:
    """One line per pixel, row by row: the worst colour and what it does.

    Args:
        lowest: (H, W) true-class probability with that colour, NaN where nothing was tried.
        flips_to: (H, W) class position, -1 for no flip.
        colours: uint8 (H, W, C), the worst colour.
        classes: names.
        true: true class.
    """
    lines = []
    name = classes[true]
    flat = zip(
        lowest.ravel(), flips_to.ravel(), colours.reshape(-1, colours.shape[-1]), strict=True
    )
    for value, label, colour in flat:
        if not np.isfinite(value):
            lines.append("not tried")
            continue
        words = ", ".join(str(int(v)) for v in colour)
        outcome = f"flips to {classes[int(label)]}" if label >= 0 else "no flip"
        lines.append(f"worst colour {words} · {name} down to {100 * value:.2f}% · {outcome}")
    return lines


def ramp_legend(name: str, top: float, *, partial: bool, untouched: bool = True) -> str:
    """Markup of the colour scale of `lowest_colours`.

    Args:
        name: of the true class.
        top: probability at the dark end.
        partial: some pixels were not tried.
        untouched: the dark end is the untouched image's probability, and flips are dotted.
    """
    end = f"{100 * top:.1f}%" + (" (untouched)" if untouched else "")
    items = [
        f"lowest probability of {escape(name)}:",
        _together("0%", ramp_bar(bright_first=True), end),
    ]
    if untouched:
        items.append(_together('<b style="font-size:17px">•</b>', "flips the prediction"))
    return _row([*items, *([_hatch()] if partial else [])])


def _together(*parts: str) -> str:
    style = "display:inline-flex;gap:6px;align-items:center;white-space:nowrap"
    return f'<span style="{style}">{"".join(f"<span>{part}</span>" for part in parts)}</span>'


def class_legend(flips_to: NDArray[np.integer], classes: Sequence[str], *, partial: bool) -> str:
    """Markup of the colours of `flip_colours`, with the number of pixels per class."""
    colours = class_colours(len(classes))
    counts = np.bincount(flips_to[flips_to >= 0].ravel(), minlength=len(classes))
    items = [
        _item(colours[label], f"{escape(classes[label])} ({counts[label]} px)")
        for label in np.argsort(-counts, kind="stable")
        if counts[label]
    ]
    items.append(_item(rgba(MUTED, NO_FLIP), "no flip"))
    return _row([*items, *([_hatch()] if partial else [])])


def _item(colour: str, text: str) -> str:
    swatch = (
        f'<span style="display:inline-block;width:11px;height:11px;border-radius:2px;'
        f'margin-right:5px;background:{colour}"></span>'
    )
    return f'<span style="white-space:nowrap">{swatch}{text}</span>'


def _hatch() -> str:
    stripes = f"repeating-linear-gradient(45deg, {MUTED} 0 2px, transparent 2px 5px)"
    return _item(stripes, "not tried")


def _row(items: list[str]) -> str:
    parts = (item if item.startswith("<") else f"<span>{item}</span>" for item in items)
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:4px 10px;align-items:center;'
        f'font-size:13px">{"".join(parts)}</div>'
    )
