"""Which input pixels a position of a layer's map sees, and where the position lies on the image.

Known exactly where nothing but sliding windows and what joins their maps leads to the layer;
elsewhere the map is taken to cover the image evenly.

Reference: Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural
networks" (the recurrence over kernel, stride and padding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from ndcore.networks.incremental.geometry import Reach
from ndcore.networks.incremental.graph import Kind, Step, graph_of
from ndcore.networks.incremental.tracing import traced


@dataclass(frozen=True)
class ReceptiveField:
    """Input pixels that the positions of a map see, the same in both directions.

    Attributes:
        start: first pixel seen by position 0; negative where that is padding.
        size: pixels seen by one position.
        jump: pixels from one position's field to the next one's.
    """

    start: int = 0
    size: int = 1
    jump: int = 1

    def after(self, reach: Reach) -> ReceptiveField:
        """The field of positions that see this one's through a window."""
        return ReceptiveField(
            start=self.start - reach.before * self.jump,
            size=self.size + (reach.span - 1) * self.jump,
            jump=self.jump * reach.stride,
        )

    def span(self, position: int, pixels: int) -> tuple[int, int]:
        """First and last pixel (inclusive) that a position sees on an axis of `pixels`."""
        first = self.start + position * self.jump
        return max(first, 0), min(first + self.size, pixels) - 1


@dataclass(frozen=True)
class Grid:
    """Where the cells of a layer's map lie on the image.

    Attributes:
        size: (h, w) of the map.
        top, left: pixel edge at which cell (0, 0) begins.
        height, width: of a cell, in pixels.
        field: what a cell sees, or None when that is not known.
    """

    size: tuple[int, int]
    top: float
    left: float
    height: float
    width: float
    field: ReceptiveField | None

    def place_of(self, row: int, col: int) -> tuple[float, float]:
        """Where a pixel lies on the map: (row, col) of its centre, whole at centres of cells."""
        return (
            (row + 0.5 - self.top) / self.height - 0.5,
            (col + 0.5 - self.left) / self.width - 0.5,
        )

    def sees(
        self, row: int, col: int, shape: Sequence[int]
    ) -> tuple[tuple[int, int], tuple[int, int]] | None:
        """First and last pixel row, then column (inclusive), that a cell sees of an image.

        Args:
            row, col: of the cell.
            shape: of the image, height and width first.

        Returns:
            None when the receptive field is not known.
        """
        if self.field is None:
            return None
        return self.field.span(row, shape[0]), self.field.span(col, shape[1])


def grid_of(size: tuple[int, int], shape: Sequence[int], field: ReceptiveField | None) -> Grid:
    """Lay a map over an image.

    Args:
        size: (h, w) of the map.
        shape: of the image, height and width first.
        field: of the layer, or None to spread the map evenly over the image.
    """
    if field is None:
        return Grid(size, 0.0, 0.0, shape[0] / size[0], shape[1] / size[1], None)
    # A cell is as wide as the jump, around the middle of what it sees.
    edge = field.start + (field.size - field.jump) / 2
    return Grid(size, edge, edge, field.jump, field.jump, field)


def receptive_fields(
    model: nn.Module, layers: Sequence[str], shape: Sequence[int]
) -> dict[str, ReceptiveField]:
    """Field of each layer's output, for the layers that windows alone lead to.

    Args:
        model: in eval mode.
        layers: dotted names of its modules.
        shape: (H, W, C) of the images.

    Returns:
        Only the layers whose field is known and the same in both directions.
    """
    weight = next(model.parameters(), torch.zeros(1))
    steps = graph_of(traced(model), shape, weight.device, weight.dtype) or ()
    fields: list[ReceptiveField | None] = []
    found: dict[str, ReceptiveField | None] = {}
    for step in steps:
        before = [fields[i] for i in step.inputs]
        fields.append(_field(step, before) if before else ReceptiveField())
        # The last step inside a layer stands for its output.
        for layer in layers:
            if any(f"{name}.".startswith(f"{layer}.") for name in step.modules):
                found[layer] = fields[-1]
    return {layer: field for layer, field in found.items() if field is not None}


def _field(step: Step, before: Sequence[ReceptiveField | None]) -> ReceptiveField | None:
    """What a step's output sees where its inputs see this much; None where that is not known."""
    known = [field for field in before if field is not None]
    if len(known) < len(before) or step.kind not in (Kind.POINTWISE, Kind.WINDOW):
        return None
    if step.window is not None:
        rows, cols = step.window.rows, step.window.cols
        same = replace(rows, after=0) == replace(cols, after=0)
        return known[0].after(rows) if same else None
    if len({field.jump for field in known}) > 1:
        return None
    start = min(field.start for field in known)
    end = max(field.start + field.size for field in known)
    return ReceptiveField(start, end - start, known[0].jump)
