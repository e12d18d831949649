"""Which input pixels a position of a layer's map sees, and where the position lies on the image.

Known exactly where the model is a plain chain of sliding windows up to the layer; elsewhere the
map is taken to cover the image evenly.

Reference: Araujo, Norris & Sim 2019, "Computing receptive fields of convolutional neural
networks" (the recurrence over kernel, stride and padding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import fx, nn

from ndcore.networks.chain import Window, chain_of, traced


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

    def after(self, window: Window) -> ReceptiveField:
        """The field of positions that see this one's through a window."""
        return ReceptiveField(
            start=self.start - window.padding * self.jump,
            size=self.size + (window.reach - 1) * self.jump,
            jump=self.jump * window.stride,
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


def receptive_fields(model: nn.Module, layers: Sequence[str]) -> dict[str, ReceptiveField]:
    """Field of each layer's output, for the layers that a plain chain of windows leads to.

    Args:
        model: in eval mode.
        layers: dotted names of its modules.

    Returns:
        Only the layers whose field is known; empty for a model that is no chain.
    """
    graph = traced(model)
    steps = chain_of(graph)
    if steps is None or not isinstance(graph, fx.GraphModule):
        return {}
    nodes = [
        node for node in graph.graph.nodes if node.op not in ("placeholder", "get_attr", "output")
    ]
    found: dict[str, ReceptiveField] = {}
    field = ReceptiveField()
    for node, step in zip(nodes, steps, strict=True):
        window = step.window or _window_of(step.run)
        if window is not None:
            field = field.after(window)
        elif not step.pointwise:
            break
        # The last step inside a layer stands for its output.
        for layer in layers:
            if _inside(node, layer):
                found[layer] = field
    else:
        return found
    # A layer that the chain leaves in the middle has an output beyond what was followed.
    return {layer: seen for layer, seen in found.items() if not _inside(node, layer)}


def _window_of(run: object) -> Window | None:
    """Geometry of steps that a chain cannot slide over padded maps, but whose reach is plain."""
    if isinstance(run, nn.ZeroPad2d):
        left, _, top, _ = run.padding
        return Window(1, 1, left, 1) if left == top else None
    if isinstance(run, (nn.MaxPool2d, nn.AvgPool2d)):
        wanted = (run.kernel_size, run.stride, run.padding, getattr(run, "dilation", 1))
        sizes = [size for size in wanted if isinstance(size, int)]
        return Window(*sizes) if len(sizes) == len(wanted) else None
    return None


def _inside(node: fx.Node, layer: str) -> bool:
    """Whether a step is one of the layer's: the layer itself, a part of it, or a call in it."""
    named = [str(node.target)] if node.op == "call_module" else []
    named += node.meta.get("nn_module_stack", {})
    return any(f"{name}.".startswith(f"{layer}.") for name in named)
