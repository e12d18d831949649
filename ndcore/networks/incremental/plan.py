"""How far a change of one pixel spreads, and on how large windows each step is run for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ndcore.networks.incremental.graph import Kind, Step
from ndcore.networks.incremental.sliding import Size

WHOLE_SHARE = 0.7  # a window of more than this share of the map is not worth cutting out
MOST_KINDS = 8  # along one axis; each pair of them has windows of its own sizes
Span = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Cut:
    """The part of a step's output that is computed.

    Attributes:
        size: (h, w).
        whole: that is the whole map.
    """

    size: Size
    whole: bool


class Spread:
    """Which positions change with a pixel, in every step up to the first that spreads it.

    Args:
        steps: of the model.

    Attributes:
        end: steps that are followed.
        sizes: (H, W) of each.
        spans: of each, for rows and columns: first and last changed position (inclusive), int64,
            for every row or column of the image.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        assert steps[0].size is not None
        self.steps = steps
        ends = [i for i, step in enumerate(steps) if step.kind is Kind.WHOLE]
        self.end = min(ends, default=len(steps))
        # A mean that is no map any more has one position all the same.
        self.sizes = [step.size or (1, 1) for step in steps[: self.end]]
        rows, cols = (torch.arange(n) for n in steps[0].size)
        self.spans: list[tuple[Span, Span]] = [((rows, rows), (cols, cols))]
        for index in range(1, self.end):
            self.spans.append((self._span(index, 0), self._span(index, 1)))

    def _span(self, index: int, axis: int) -> Span:
        step, size = self.steps[index], self.sizes[index][axis]
        before = [self.spans[i][axis] for i in step.inputs]
        if step.sliding is not None and step.sliding.slide is None:
            whole = torch.zeros_like(before[0][0])  # as it runs on whole maps alone
            return whole, whole + size - 1
        if step.window is not None:
            reach = (step.window.rows, step.window.cols)[axis]
            return reach.touched(*before[0], size)
        if size > 1 and any(self.sizes[i] == (1, 1) != self.sizes[index] for i in step.inputs):
            first = torch.zeros_like(before[0][0])  # one value meets all positions
            return first, first + size - 1
        if step.kind is Kind.MEAN:
            return torch.zeros_like(before[0][0]), torch.zeros_like(before[0][0])
        first, last = before[0]
        for other in before[1:]:
            first, last = first.minimum(other[0]), last.maximum(other[1])
        return first, last

    def same(self, index: int, other: int) -> bool:
        """Whether two steps change at the same positions whatever the pixel."""
        pairs = zip(self.spans[index], self.spans[other], strict=True)
        return self.sizes[index] == self.sizes[other] and all(
            torch.equal(own, others)
            for axis, another in pairs
            for own, others in zip(axis, another, strict=True)
        )

    def widths(self, axis: int) -> Tensor:
        """Changed positions of every step (end, n) for every row or column."""
        return torch.stack([last - first + 1 for first, last in (s[axis] for s in self.spans)])

    def cuts(self, tall: Sequence[int], wide: Sequence[int]) -> tuple[Cut, ...]:
        """What is computed of every step.

        Args:
            tall, wide: the windows that are needed.
        """
        found: list[Cut] = []
        for step, *needed, full in zip(self.steps, tall, wide, self.sizes, strict=False):
            whole = needed[0] * needed[1] > WHOLE_SHARE * full[0] * full[1]
            whole = whole or any(found[i].whole for i in step.inputs)
            found.append(Cut(full if whole else (needed[0], needed[1]), whole))
        return tuple(found)

    def kinds(self, axis: int) -> Tensor:
        """Rows or columns that share windows of the same sizes have the same number, (n,).

        Where there are more than `MOST_KINDS` those are put together that cost the least.
        """
        full = torch.tensor([size[axis] for size in self.sizes])[:, None]
        widths = self.widths(axis)
        # Nearly whole is as good as whole.
        widths = torch.where(widths > WHOLE_SHARE**0.5 * full, full, widths)
        found, kinds, counts = torch.unique(widths, dim=1, return_inverse=True, return_counts=True)
        weights = torch.tensor([float(step.multiplications) for step in self.steps[: self.end]])
        merged = _merged((found / full).T, weights, counts.double())
        numbers: Tensor = torch.unique(merged[kinds], return_inverse=True)[1]
        return numbers

    def share(self, cuts: Sequence[Cut]) -> float:
        """Multiplications that are left, as a share of all."""
        total, left = 0.0, 0.0
        for index, step in enumerate(self.steps):
            total += step.multiplications
            share = 1.0
            if index < self.end:
                (tall, wide), (height, width) = cuts[index].size, self.sizes[index]
                share = tall * wide / (height * width)
            left += step.multiplications * share
        return left / total if total else 1.0

    def left(self, positions: Tensor | None = None) -> float:
        """Multiplications left in windows of just the size that each pixel needs, as a share.

        Args:
            positions: int64 (P, 2), of the changed pixels; None for the mean over all.
        """
        sizes = torch.tensor(self.sizes, dtype=torch.float64)
        tall, wide = (self.widths(axis) / sizes[:, axis, None] for axis in (0, 1))
        if positions is None:
            shares = tall.mean(1) * wide.mean(1)
        else:
            shares = (tall[:, positions[:, 0]] * wide[:, positions[:, 1]]).mean(1)
        counts = torch.tensor([float(step.multiplications) for step in self.steps])
        left = (counts[: self.end] * shares).sum() + counts[self.end :].sum()
        return float(left / counts.sum()) if counts.any() else 1.0


def _merged(shares: Tensor, weights: Tensor, counts: Tensor) -> Tensor:
    """For each kind the one it is put to, (kinds,).

    Args:
        shares: (kinds, steps), window over map along one axis.
        weights: (steps,), multiplications of the whole maps.
        counts: (kinds,), how many rows or columns are of each.
    """

    def cost(parts: Tensor) -> Tensor:
        # The other axis is much alike.
        return parts.double().square() @ weights.double()

    shares, counts = shares.clone(), counts.clone()
    owner = torch.arange(len(shares))
    more = torch.full((len(shares), len(shares)), torch.inf, dtype=torch.float64)

    def compare(kind: int) -> None:
        joined = cost(shares.maximum(shares[kind])) * (counts + counts[kind])
        found = joined - cost(shares) * counts - cost(shares[kind]) * counts[kind]
        gone = counts == 0
        gone[kind] = True
        found[gone] = torch.inf
        more[kind], more[:, kind] = found, found

    for kind in range(len(shares)):
        compare(kind)
    for _ in range(len(shares) - MOST_KINDS):
        kept, gone = divmod(int(more.argmin()), len(shares))
        shares[kept] = shares[kept].maximum(shares[gone])
        counts[kept] += counts[gone]
        counts[gone] = 0
        more[gone], more[:, gone] = torch.inf, torch.inf
        owner[owner == gone] = kept
        compare(kept)
    return owner
