"""Where the units are in what a layer puts out, and where its positions lie on the image.

Everything else sees units first: (N, units) or (N, units, rows, columns). A token of a transformer
is a position, not a unit; tokens before those of the image, such as a class token, are apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor

LEADS = (0, 1, 2, 5)  # tokens before those of the image: none, class, distilled, four registers


class Layout(Enum):
    """Order of the axes of an output."""

    VECTOR = "(N, units)"
    MAPS = "(N, units, H, W)"
    MAPS_LAST = "(N, H, W, units)"
    TOKENS = "(N, tokens, units)"
    SEQUENCE = "(N, units, length)"

    @property
    def units_axis(self) -> int:
        """Where the units lie."""
        return -1 if self in (Layout.MAPS_LAST, Layout.TOKENS) else 1


@dataclass(frozen=True)
class Tokens:
    """How a row of tokens lies on an image.

    Attributes:
        lead: tokens before those of the image.
        grid: rows and columns of the others.
    """

    lead: int
    grid: tuple[int, int]

    @classmethod
    def of(cls, count: int, size: tuple[int, int]) -> Tokens:
        """A grid shaped like an image of `size` (H, W), where there is one; else one row."""
        for lead in LEADS:
            for rows in range(1, count - lead + 1):
                cols, rest = divmod(count - lead, rows)
                if not rest and rows * size[1] == cols * size[0]:
                    return cls(lead, (rows, cols))
        return cls(0, (1, count))


def units_first(output: Tensor, layout: Layout, size: tuple[int, int]) -> Tensor:
    """The output with its units on axis 1; a view of it where that is possible.

    Args:
        output: of a layer.
        layout: of the output.
        size: (H, W) of the image.

    Returns:
        (N, units) or (N, units, rows, columns).
    """
    if layout is Layout.MAPS_LAST:
        return output.movedim(-1, 1)
    if layout is Layout.SEQUENCE:
        return output[:, :, None]
    if layout is Layout.TOKENS:
        tokens = Tokens.of(output.shape[1], size)
        patches = output[:, tokens.lead :].movedim(-1, 1)
        return patches.view(*patches.shape[:2], *tokens.grid)
    return output


def as_it_was(units: Tensor, output: Tensor, layout: Layout, size: tuple[int, int]) -> Tensor:
    """`units_first` undone: the output with these units in it."""
    if layout is Layout.MAPS_LAST:
        return units.movedim(1, -1)
    if layout is Layout.SEQUENCE:
        return units[:, :, 0]
    if layout is Layout.TOKENS:
        lead = Tokens.of(output.shape[1], size).lead
        return torch.cat([output[:, :lead], units.flatten(2).movedim(1, -1)], 1)
    return units
