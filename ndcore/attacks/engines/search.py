"""What a search is given, what it asks and how good an answer is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ndcore.attacks.engines.grid import Grid


@dataclass(frozen=True)
class Problem:
    """One image to attack.

    Attributes:
        image: uint8 (H, W, C).
        true: true class.
        target: class to reach, or None to leave the true one.
        pixels: how many pixels may change.
        order: int64 (P, 2) positions -> (P,), the order in which they are computed fastest.
        gradient: uint8 (H, W, C) -> (H, W, C), how the margin changes with each value; for an
            engine that sees the network.
        grid: what `exhaustive` tries.
    """

    image: NDArray[np.uint8]
    true: int
    target: int | None
    pixels: int
    order: Callable[[NDArray[np.int64]], NDArray[np.int64]]
    gradient: Callable[[NDArray[np.uint8]], NDArray[np.floating]] = np.zeros_like
    grid: Grid = field(default_factory=Grid)

    def margins(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Logits (P, classes) -> (P,): smaller is better, negative is adversarial.

        Untargeted: the true class less the best other. Targeted: the best other less the target.
        """
        values = np.asarray(logits, np.float64)
        label = self.true if self.target is None else self.target
        others = values.copy()
        others[:, label] = -np.inf
        margin = values[:, label] - others.max(1)
        margin = margin if self.target is None else -margin
        return np.where(np.isnan(margin), np.inf, margin)

    def flips(self, logits: NDArray[np.floating]) -> NDArray[np.bool_]:
        """Which (P,) are adversarial by the class predicted, which also decides a tie.

        What is no number predicts nothing.
        """
        predicted = logits.argmax(1)
        won = predicted != self.true if self.target is None else predicted == self.target
        return np.asarray(won & np.isfinite(logits).all(1))

    def confidence(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """Probability (P,) of the true class, or of the target; at its worst for no number."""
        label = self.true if self.target is None else self.target
        found = softmax(np.asarray(logits, np.float64), axis=1)[:, label]
        return np.where(np.isnan(found), 1.0 if self.target is None else 0.0, found)

    def misses(self, logits: NDArray[np.floating]) -> NDArray[np.float64]:
        """By how much (P,) candidates that fail do so: the margin, or what the target lacks to 1.

        With a target a margin would favour whatever unsettles the class predicted.
        """
        return self.margins(logits) if self.target is None else 1 - self.confidence(logits)


@dataclass(frozen=True)
class Candidates:
    """A question of a search: what does the model say to these?

    Attributes:
        positions: int64 (P, k, 2) row and col.
        colours: uint8 (P, k, C).
        stage: what the search is doing, for people.
        base: image to change, uint8 (H, W, C).
    """

    positions: NDArray[np.int64]
    colours: NDArray[np.uint8]
    stage: str
    base: NDArray[np.uint8]


# A search yields candidates and is sent their logits (P, classes) until it has no more to ask.
# Whoever drives it looks for hits, counts and ends it; a search only proposes.
Search = Generator[Candidates, NDArray[np.float32], None]


def corner_colours(channels: int) -> NDArray[np.uint8]:
    """The corners of the colour cube, uint8 (2**C, C); bit c of the index sets channel c."""
    return Grid().colours(channels)
