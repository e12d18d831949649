"""What a model says to an image now and before: classes, layers and units as rows of bars."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ndcore.figures.style.palette import ATTACKED, FALL, MUTED, RISE, distinct_colours
from ndcore.figures.style.rows import Bar, Row, rows_markup
from ndcore.legible.few_of_many import largest

MOST_CLASSES = 12
MOST_LAYERS = 24
PALE = 0.4


def probability_rows(
    classes: Sequence[str],
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    true: int | None = None,
) -> str:
    """Probability of every class, pale before and full now; of many classes the likeliest.

    Args:
        classes: names in label order.
        before, after: (classes,).
        true: true class, marked with a star.
    """
    shown = largest(np.maximum(before, after), MOST_CLASSES).tolist()
    colours = dict(zip(shown, distinct_colours(shown, len(classes)), strict=True))
    top = int(np.argmax(after))
    rows = [
        Row(
            name=f"{classes[label]} ★" if label == true else classes[label],
            bars=(
                Bar(float(before[label]), colours[label], PALE),
                Bar(float(after[label]), colours[label]),
            ),
            text=f"{100 * float(before[label]):.1f} → {100 * float(after[label]):.1f}%",
            strong=label == top,
        )
        for label in shown
    ]
    return rows_markup(
        rows, label="Class probabilities", title="Probability: pale before, full now"
    )


def layer_rows(
    layers: Sequence[str], before: Sequence[float], now: Sequence[float], smallest: float
) -> str:
    """p-value of every layer on a log scale: longer = more unusual for the predicted class.

    Of many layers those that are or were the most unusual.

    Args:
        layers: names in the order of the model.
        before, now: p-values of the untouched and of the changed image.
        smallest: p-value of a full bar.
    """
    full = -np.log10(min(max(smallest, 1e-12), 0.5))

    def share(p: float) -> float:
        return float(-np.log10(max(p, 1e-12)) / full)

    shown = largest(-np.minimum(before, now), MOST_LAYERS).tolist()
    rows = [
        Row(layer, (Bar(share(p0), MUTED), Bar(share(p1), ATTACKED)), f"{p0:.3f} → {p1:.3f}")
        for layer, p0, p1 in [(layers[at], before[at], now[at]) for at in shown]
    ]
    title = "p-value by layer: grey before, red now"
    if len(shown) < len(layers):
        title += f" (the {len(shown)} most unusual of {len(layers)})"
    return rows_markup(rows, label="p-value by layer", title=title)


def unit_rows(
    names: Sequence[str], before: Sequence[float], now: Sequence[float], moved: Sequence[float]
) -> str:
    """Units that moved most.

    Args:
        names: such as `dense_1 · 417`.
        before, now: activations.
        moved: size of the change, as a share of the layer's axis.
    """
    longest = max([*moved, 1e-9])
    rows = [
        Row(
            name,
            (Bar(share / longest, RISE if new > old else FALL),),
            f"{old:.2f} → {new:.2f}",
        )
        for name, old, new, share in zip(names, before, now, moved, strict=True)
    ]
    title = "Neurons that moved most: brown up, blue down"
    return rows_markup(rows, label="Neurons that moved most", title=title)
