"""The maps of unchanged images, and windows of them with what has changed put in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ndcore.networks.incremental.sliding import Size

NO_PADDING = (0, 0, 0, 0)
Corner = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Read:
    """A step's output is looked at beyond what changes of it.

    Attributes:
        index: of the step.
        fill: what lies beyond its border.
        padding: positions seen left, right, above and below it.
    """

    index: int
    fill: float = 0.0
    padding: tuple[int, int, int, int] = NO_PADDING


@dataclass(frozen=True)
class Patch:
    """A step's output for some candidates, as far as it is known.

    Attributes:
        values: (P, C, h, w).
        corner: rows and columns, each int64 (P,), where the windows begin; None where that is the
            whole output.
    """

    values: Tensor
    corner: Corner | None = None


@dataclass
class _Kept:
    """One map of every prepared image, padded."""

    read: Read
    height: int
    width: int
    rows: Tensor | None = None  # (slots * height * width, channels)


class Background:
    """Maps of prepared images.

    Args:
        reads: what is looked at.
        sizes: (H, W) of every step's output.
        slots: images at a time.
    """

    def __init__(self, reads: Iterable[Read], sizes: Sequence[Size], slots: int) -> None:
        self._slots = slots
        wanted: dict[tuple[int, float], Read] = {}
        for read in sorted(reads, key=lambda read: read.padding == NO_PADDING):
            alike = [key for key in wanted if key[0] == read.index]
            # Where nothing beyond the border is seen, any fill serves.
            key = alike[0] if alike and read.padding == NO_PADDING else (read.index, read.fill)
            known = wanted.get(key, read)
            left, right, above, below = map(max, known.padding, read.padding)
            wanted[key] = Read(*key, (left, right, above, below))
        self._kept: dict[int, list[_Kept]] = {}
        for read in wanted.values():
            (height, width), (left, right, above, below) = sizes[read.index], read.padding
            kept = _Kept(read, height + above + below, width + left + right)
            self._kept.setdefault(read.index, []).append(kept)

    def keep(self, slot: int, index: int, values: Tensor) -> None:
        """Keep a step's output (1, C, H, W) under a slot number, if anybody reads it."""
        for kept in self._kept.get(index, []):
            channels, size = values.shape[1], kept.height * kept.width
            if kept.rows is None:
                # Memory is taken up as slots are written.
                kept.rows = values.new_empty(self._slots * size, channels)
            padded = F.pad(values, kept.read.padding, value=kept.read.fill)
            flat = padded[0].permute(1, 2, 0).reshape(-1, channels)
            kept.rows[slot * size : (slot + 1) * size] = flat

    def region(
        self, read: Read, slots: Tensor, first: Corner, span: Size, patch: Patch | None
    ) -> Tensor:
        """Windows (P, C, h, w) of a step's output.

        Args:
            read: the step, and what lies beyond its border.
            slots: int64 (P,), of the images.
            first: where the windows begin; on the map without its padding.
            span: (h, w).
            patch: what has changed; None for the unchanged images.
        """
        kept = self._find(read)
        assert kept.rows is not None
        left, _, above, _ = kept.read.padding
        down = torch.arange(above, above + span[0], device=slots.device)
        across = torch.arange(left, left + span[1], device=slots.device)
        rows, cols = first[0][:, None] + down, first[1][:, None] + across
        index = slots[:, None] * kept.height + rows
        index = (index[:, :, None] * kept.width + cols[:, None, :]).reshape(-1)
        # One row more, for what of a patch lies beyond its window.
        region = kept.rows.new_empty((len(index) + 1, kept.rows.shape[1]))
        torch.index_select(kept.rows, 0, index, out=region[:-1])
        if patch is not None:
            self._put_in(region, patch, first, span)
        return region[:-1].view(len(slots), *span, -1).permute(0, 3, 1, 2)

    def _find(self, read: Read) -> _Kept:
        found = self._kept[read.index]
        alike = [kept for kept in found if kept.read.fill == read.fill]
        return (alike or found)[0]

    def _put_in(self, region: Tensor, patch: Patch, first: Corner, span: Size) -> None:
        """Write a patch into windows (P * h * w + 1, C) of the map that it is a part of."""
        assert patch.corner is not None
        count, channels, tall, wide = patch.values.shape
        device = region.device
        rows = (patch.corner[0] - first[0])[:, None] + torch.arange(tall, device=device)
        cols = (patch.corner[1] - first[1])[:, None] + torch.arange(wide, device=device)
        inside = ((rows >= 0) & (rows < span[0]))[:, :, None]
        inside = inside & ((cols >= 0) & (cols < span[1]))[:, None, :]
        own = torch.arange(count, device=device)[:, None] * span[0] + rows
        own = own[:, :, None] * span[1] + cols[:, None, :]
        own = own.where(inside, torch.tensor(len(region) - 1, device=device)).reshape(-1)
        region.index_copy_(0, own, patch.values.permute(0, 2, 3, 1).reshape(-1, channels))
