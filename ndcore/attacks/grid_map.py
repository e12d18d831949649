"""The complete map of an exhaustive attack: every pixel with every colour of a set.

What it says, it says about its grid of colours: no flip on the grid is no certificate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ndcore.attacks.engines.grid import Grid


@dataclass(frozen=True)
class Reach:
    """How near one pixel brings the image to one class.

    Attributes:
        label: the class.
        reached: whether some pixel and colour of the grid makes it the predicted class.
        row, col: the best pixel.
        colour: its colour, 8-bit values.
        margin: logit of the strongest other class minus that of `label`; negative is reached.
    """

    label: int
    reached: bool
    row: int
    col: int
    colour: tuple[int, ...]
    margin: float


@dataclass(frozen=True)
class VulnerabilityMap:
    """Logits of one image under every one-pixel change of a grid.

    Attributes:
        true: true class.
        colours: uint8 (K, C), the colour set.
        logits: float32 (H, W, K, classes); NaN where the attack was stopped before.
        confirmed: bool (H, W, K): in float32, as are all flips; elsewhere screened in bfloat16,
            where the two best classes are far apart.
        every: the grid has every so-manieth row and column.
    """

    true: int
    colours: NDArray[np.uint8]
    logits: NDArray[np.float32]
    confirmed: NDArray[np.bool_]
    every: int = 1

    @cached_property
    def evaluated(self) -> NDArray[np.bool_]:
        """Which points of the grid were tried, (H, W, K)."""
        return np.asarray(np.isfinite(self.logits[..., 0]))

    @property
    def points(self) -> int:
        """Of the grid."""
        return self.pixels * len(self.colours)

    @property
    def pixels(self) -> int:
        """Of the grid."""
        grid = Grid(self.every)
        height, width = self.logits.shape[:2]
        return len(grid.places(height)) * len(grid.places(width))

    @property
    def complete(self) -> bool:
        """Every point of the grid was tried."""
        return int(self.evaluated.sum()) == self.points

    @cached_property
    def margins(self) -> NDArray[np.float32]:
        """True-class logit minus the best other, (H, W, K); negative is a flip, NaN not tried."""
        others = np.delete(self.logits, self.true, axis=-1).max(-1)
        return np.asarray(self.logits[..., self.true] - others)

    @cached_property
    def best_colour(self) -> NDArray[np.int64]:
        """Index of the colour with the smallest margin at each pixel, (H, W)."""
        filled = np.where(np.isnan(self.margins), np.inf, self.margins)
        return np.asarray(filled.argmin(-1))

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Of the true class, (H, W, K); infinite where not tried."""
        found = softmax(self.logits.astype(np.float64), axis=-1)[..., self.true]
        return np.where(np.isnan(found), np.inf, found)

    @cached_property
    def lowest(self) -> NDArray[np.float32]:
        """Lowest true-class probability that any colour reaches, (H, W); NaN where none tried."""
        lowest = self.probabilities.min(-1)
        return np.where(np.isfinite(lowest), lowest, np.nan).astype(np.float32)

    @cached_property
    def worst(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Index of the worst colour of each pixel (H, W), and the true-class probability with it.

        Where a colour flips the prediction it is the one that flips it furthest, elsewhere the one
        with the lowest probability: the two can differ, and a told number must be that of the told
        colour. NaN where nothing was tried.
        """
        worst = np.where(self.flips_to >= 0, self.best_colour, self.probabilities.argmin(-1))
        reached = np.take_along_axis(self.probabilities, worst[..., None], axis=-1)[..., 0]
        return worst, np.where(np.isfinite(reached), reached, np.nan)

    @cached_property
    def flips_to(self) -> NDArray[np.int64]:
        """Predicted class under the colour with the smallest margin, (H, W); -1 for no flip."""
        rows, cols = np.indices(self.best_colour.shape)
        logits = self.logits[rows, cols, self.best_colour]
        tried = np.isfinite(logits[..., 0])
        label = np.where(tried[..., None], logits, 0).argmax(-1)
        return np.asarray(np.where(tried & (label != self.true), label, -1))

    @property
    def vulnerable_share(self) -> float:
        """Share of the grid's pixels with a flip, 0 to 1."""
        return int((self.flips_to >= 0).sum()) / self.pixels

    def reach(self) -> tuple[Reach, ...]:
        """The nearest point of the grid to every class but the true one."""
        rows = []
        for label in range(self.logits.shape[-1]):
            if label == self.true:
                continue
            margins = np.delete(self.logits, label, axis=-1).max(-1) - self.logits[..., label]
            margins = np.where(np.isnan(margins), np.inf, margins)
            row, col, colour = np.unravel_index(int(margins.argmin()), margins.shape)
            margin = float(margins[row, col, colour])
            rows.append(
                Reach(
                    label=label,
                    reached=margin < 0,
                    row=int(row),
                    col=int(col),
                    colour=tuple(int(value) for value in self.colours[colour]),
                    margin=margin,
                )
            )
        return tuple(rows)
