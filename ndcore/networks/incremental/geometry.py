"""Sliding windows: which inputs an output spans, and which outputs an input touches."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Reach:
    """A sliding window along one axis.

    Attributes:
        kernel, stride, dilation: in positions of the input.
        before, after: positions added at the ends.
    """

    kernel: int = 1
    stride: int = 1
    before: int = 0
    after: int = 0
    dilation: int = 1

    @property
    def span(self) -> int:
        """Inputs that one output spans."""
        return self.inputs(1)

    def inputs(self, outputs: int) -> int:
        """Inputs that neighbouring outputs span."""
        return (outputs - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    def outputs(self, size: int) -> int:
        """Outputs of an axis of `size` inputs."""
        return (size + self.before + self.after - self.span) // self.stride + 1

    def touched(self, first: Tensor, last: Tensor, outputs: int) -> tuple[Tensor, Tensor]:
        """First and last output (inclusive) that spans inputs first..last; at least one."""
        low = -((self.span - 1 - first - self.before) // self.stride)
        high = (last + self.before) // self.stride
        low = low.clamp(0, outputs - 1)
        return low, high.clamp(0, outputs - 1).maximum(low)


@dataclass(frozen=True)
class Window:
    """A sliding window over a map.

    Attributes:
        rows, cols: along its axes.
        fill: the value beyond the border.
    """

    rows: Reach
    cols: Reach
    fill: float = 0.0

    @property
    def padding(self) -> tuple[int, int, int, int]:
        """Positions added left, right, above and below, as `F.pad` takes them."""
        return self.cols.before, self.cols.after, self.rows.before, self.rows.after
