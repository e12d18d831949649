"""What a node's colour says, with its legend in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from ndcore.figures.style.palette import MUTED, distinct_colours

MOST_CLASSES = 10
OTHERS = "other classes"
# What continuous colours say; dark is low, bright is high.
VALUES = {
    "norm": "mean length of the vectors (dark: short)",
    "divergence": "mean divergence from the class taken for (dark: little)",
    "error": "share of images taken for a wrong class (dark: none)",
    "attacked": "attacked images as a share of all in a cluster (dark: none)",
}
# Of shares the bright end is this at least, so that a trace of them is not the brightest colour.
LEAST_TOP = {"error": 0.2, "attacked": 0.5}


@dataclass(frozen=True)
class Groups:
    """Nodes by their commonest class.

    Attributes:
        of: int (nodes,), place in `names`.
        names: of the classes that are drawn, as plotly's texts; the last may be all others.
        colours: #rrggbb of each.
        opacity: (nodes,), less for a node of many classes.
    """

    of: NDArray[np.int64]
    names: tuple[str, ...]
    colours: tuple[str, ...]
    opacity: NDArray[np.float64]


@dataclass(frozen=True)
class Values:
    """Nodes by a number.

    Attributes:
        of: (nodes,), NaN where it is not known.
        title: what it is, as plotly's text.
        low, high: ends of the scale.
        shares: they are shares, shown as percents.
    """

    of: NDArray[np.float64]
    title: str
    low: float
    high: float
    shares: bool


def by_class(
    majority: NDArray[np.integer],
    purity: NDArray[np.floating],
    sizes: NDArray[np.integer],
    classes: Sequence[str],
) -> Groups:
    """Colours of the commonest classes; of more than ten the nine with the most images.

    Args:
        majority: class of each node.
        purity: its share of the node's images.
        sizes: images per node.
        classes: all names.
    """
    images = np.bincount(majority, sizes, minlength=len(classes))
    order = np.argsort(-images, kind="stable")
    present = [int(label) for label in order if images[label]]
    few = len(present) <= MOST_CLASSES
    shown = sorted(present if few else present[: MOST_CLASSES - 1])
    place = np.full(len(classes), len(shown), np.int64)
    place[shown] = np.arange(len(shown))
    names = [escape(classes[label]) for label in shown]
    colours = distinct_colours(shown, len(classes))
    if not few:
        names, colours = [*names, OTHERS], [*colours, MUTED]
    opacity = 0.35 + 0.65 * np.asarray(purity, np.float64)
    return Groups(place[majority], tuple(names), tuple(colours), opacity)


def by_value(name: str, values: NDArray[np.floating]) -> Values:
    """Colours of a number per node, one of `VALUES`."""
    known = values[np.isfinite(values)]
    shares = name in LEAST_TOP
    low = 0.0 if shares or not len(known) else float(known.min())
    high = max(float(known.max(initial=0)), LEAST_TOP.get(name, -np.inf))
    return Values(np.asarray(values, np.float64), VALUES[name], low, max(high, low + 1e-9), shares)
