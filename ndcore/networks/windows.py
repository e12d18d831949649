"""Exact logits after a change of one pixel, computed only where the change can be seen.

A pixel reaches a 3x3 window of the first convolution's output, a 5x5 window of the second's, and
so on (receptive-field arithmetic). Everything outside is taken from the unchanged image. When the
window has grown to most of the map, the rest of the network runs on whole maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ndcore.networks.chain import Step, Window

WHOLE_SHARE = 0.7  # a window of more than this share of the map is not worth cutting out
GROUP = 64  # candidates of one kind are run with windows of their own size, so many at a time
# The others are filled up to one of few sizes: a new batch size costs the library new kernels.
FILLED = (8, 16, 32)


@dataclass(frozen=True)
class Layout:
    """One step that runs on windows.

    Attributes:
        step: index in the chain.
        window: geometry, None for a pointwise step.
        size: (H, W) of the output map.
        cut: (h, w) of the output window.
        whole: the output window is the whole map; from here on the chain runs as it is.
    """

    step: int
    window: Window | None
    size: tuple[int, int]
    cut: tuple[int, int]
    whole: bool = False


def plan(
    steps: Sequence[Step], size: tuple[int, int], rows: Tensor, cols: Tensor
) -> tuple[Layout, ...]:
    """Which steps to run on windows, and on how large ones.

    Args:
        steps: of the model.
        size: (H, W) of the images.
        rows, cols: int64, where the changed pixels may lie. Every window is as large as the
            neediest of these positions requires, so that they can share a batch.
    """
    layouts: list[Layout] = []
    spans = [(rows, rows), (cols, cols)]  # first and last changed position
    for index, step in enumerate(steps):
        window = step.window
        if step.pointwise:
            cut = layouts[-1].cut if layouts else (1, 1)
            layouts.append(Layout(index, None, size, cut))
            continue
        if window is None:
            break
        size = _output_size(size, window)
        if min(size) < 1:
            break
        spans = [_touched(*span, window, n) for span, n in zip(spans, size, strict=True)]
        tall, wide = (int((last - first).max()) + 1 for first, last in spans)
        if min(tall, wide) < 1:
            break
        whole = tall * wide > WHOLE_SHARE * size[0] * size[1]
        layouts.append(Layout(index, window, size, size if whole else (tall, wide), whole))
        if whole:
            break
    while layouts and layouts[-1].window is None:
        layouts.pop()
    if layouts and not layouts[-1].whole:
        layouts[-1] = replace(layouts[-1], cut=layouts[-1].size, whole=True)
    return tuple(layouts)


def _output_size(size: tuple[int, int], window: Window) -> tuple[int, int]:
    height, width = ((n + 2 * window.padding - window.reach) // window.stride + 1 for n in size)
    return height, width


def _touched(first: Tensor, last: Tensor, window: Window, out: int) -> tuple[Tensor, Tensor]:
    """First and last output (inclusive) that sees inputs first..last, clipped to the map."""
    low = -((window.reach - 1 - first - window.padding) // window.stride)
    high = (last + window.padding) // window.stride
    return low.clamp(0, out - 1), high.clamp(0, out - 1)


def _kinds(steps: Sequence[Step], size: tuple[int, int], axis: int) -> Tensor:
    """Positions along one axis that need windows of the same sizes share a number, (n,)."""
    first = last = torch.arange(size[axis])
    widths = []
    for step in steps:
        if step.window is not None:
            size = _output_size(size, step.window)
            if min(size) < 1:
                break
            first, last = _touched(first, last, step.window, size[axis])
            widths.append(last - first)
        elif not step.pointwise:
            break
        # Beyond this map the windows are as good as whole.
        if widths and int(widths[-1].min()) + 1 >= size[axis]:
            break
    if not widths:
        return torch.zeros(len(first), dtype=torch.int64)
    kinds: Tensor = torch.unique(torch.stack(widths, 1), dim=0, return_inverse=True)[1]
    return kinds


class Incremental:
    """Runs one-pixel changes of prepared images through a chain.

    Args:
        steps: of the model.
        size: (H, W) of the images.
        slots: images that can be prepared at a time.
        largest: candidates in one call, at most.
        device, dtype: of the steps' weights.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        size: tuple[int, int],
        slots: int,
        largest: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._steps = steps
        self._slots, self._largest = slots, largest
        self._device, self._dtype = device, dtype
        rows, cols = torch.arange(size[0]), torch.arange(size[1])
        self._everywhere = plan(steps, size, rows, cols)
        self._row_kind, self._col_kind = _kinds(steps, size, 0), _kinds(steps, size, 1)
        self._plans = {
            (i, j): plan(steps, size, rows[self._row_kind == i], cols[self._col_kind == j])
            for i in range(int(self._row_kind.max()) + 1)
            for j in range(int(self._col_kind.max()) + 1)
        }
        layouts = [self._everywhere, *self._plans.values()]
        # From this step on the whole batch runs on whole maps.
        self._common = max((plan[-1].step + 1 for plan in layouts if plan), default=0)
        # Per window step: rows of channels, first every slot's padded map, then the patches.
        self._maps: dict[int, Tensor] = {}
        self._padded: dict[int, tuple[int, int]] = {}

    @property
    def useful(self) -> bool:
        """Whether windows save anything."""
        plans = (self._everywhere, *self._plans.values())
        windows = [sum(layout.window is not None for layout in layouts) for layouts in plans]
        return min(windows) > 1

    def order(self, positions: Tensor) -> Tensor:
        """Indices (P,) that bring positions (P, 2) with windows of equal sizes together."""
        kinds = self._row_kind[positions[:, 0]] * len(self._col_kind)
        return torch.argsort(kinds + self._col_kind[positions[:, 1]], stable=True)

    @torch.inference_mode()
    def prepare(self, slot: int, image: Tensor) -> None:
        """Keep the maps of one image (1, C, H, W) in [0, 1] under a slot number."""
        values = image.to(self._device, self._dtype).contiguous(memory_format=torch.channels_last)
        for index, step in enumerate(self._steps[: self._common]):
            if step.window:
                pad = step.window.padding
                padded = F.pad(values, (pad, pad, pad, pad))
                channels, height, width = padded.shape[1:]
                if index not in self._maps:
                    rows = self._slots * height * width + (
                        self._largest + FILLED[-1]
                    ) * self._patch(index)
                    self._maps[index] = torch.zeros(
                        rows, channels, device=self._device, dtype=self._dtype
                    )
                    self._padded[index] = (height, width)
                start = slot * height * width
                flat = padded[0].permute(1, 2, 0).reshape(-1, channels)
                self._maps[index][start : start + height * width] = flat
            values = step.run(values)

    def _patch(self, index: int) -> int:
        """Largest patch, in positions, that is pasted into the input of a step."""
        areas = [1]
        for layouts in (self._everywhere, *self._plans.values()):
            before = [layout.cut for layout in layouts if layout.step < index]
            if before and index <= layouts[-1].step:
                areas.append(before[-1][0] * before[-1][1])
        return max(areas)

    @torch.inference_mode()
    def logits(self, slots: Tensor, positions: Tensor, colours: Tensor) -> Tensor:
        """Logits after each change.

        Args:
            slots: int64 (P,), which prepared image.
            positions: int64 (P, 2), row and col.
            colours: (P, C) in [0, 1].

        Returns:
            float32 (P, classes).
        """
        order, parts = [], []
        for layouts, members in self._groups(positions):
            order.append(members)
            parts.append(
                self._windows(layouts, slots[members], positions[members], colours[members])
            )
        values = torch.cat(parts) if len(parts) > 1 else parts[0]
        for step in self._steps[self._common :]:
            values = step.run(values)
        # A filler repeats a candidate of its group, so it may be written over it.
        found = values.new_empty((len(positions), values.shape[1]), dtype=torch.float32)
        found[torch.cat(order).to(self._device)] = values.float()
        return found

    def _groups(self, positions: Tensor) -> list[tuple[tuple[Layout, ...], Tensor]]:
        """Plans and the candidates that run under each."""
        kinds = torch.stack([self._row_kind[positions[:, 0]], self._col_kind[positions[:, 1]]], 1)
        found, member_of = torch.unique(kinds, dim=0, return_inverse=True)
        groups, others = [], []
        for index, (row, col) in enumerate(found.tolist()):
            members = torch.nonzero(member_of == index)[:, 0]
            own = len(members) // GROUP * GROUP
            if own:
                groups.append((self._plans[row, col], members[:own]))
            others.append(members[own:])
        rest = torch.cat(others)
        if len(rest):
            size = next((size for size in FILLED if size >= len(rest)), None)
            size = size or -(-len(rest) // FILLED[-1]) * FILLED[-1]
            filler = rest[-1:].expand(size - len(rest))
            groups.append((self._everywhere, torch.cat([rest, filler])))
        return groups

    def _windows(
        self, layouts: tuple[Layout, ...], slots: Tensor, positions: Tensor, colours: Tensor
    ) -> Tensor:
        """Whole maps after the steps that run on windows."""
        values = colours.to(self._device, self._dtype)[:, :, None, None]
        corner, slots = positions.to(self._device), slots.to(self._device)
        for layout in layouts:
            step = self._steps[layout.step]
            if layout.window is None or step.slide is None:
                values = step.run(values)
                continue
            region, corner = self._paste(layout, layout.window, values, corner, slots)
            values = step.slide(region)
        for step in self._steps[layouts[-1].step + 1 : self._common]:
            values = step.run(values)
        return values

    def _paste(
        self, layout: Layout, window: Window, patch: Tensor, corner: Tensor, slots: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Input region of each output window with the patch in it, and the window's corner."""
        count, channels, tall, wide = patch.shape
        maps = self._maps[layout.step]
        height, width = self._padded[layout.step]
        limit = torch.tensor([layout.size[i] - layout.cut[i] for i in (0, 1)], device=self._device)
        first = -((window.reach - 1 - corner - window.padding) // window.stride)
        first = first.clamp(min=0).minimum(limit)
        span = [(layout.cut[i] - 1) * window.stride + window.reach for i in (0, 1)]
        rows = first[:, :1] * window.stride + torch.arange(span[0], device=self._device)
        cols = first[:, 1:] * window.stride + torch.arange(span[1], device=self._device)
        index = (slots[:, None] * height + rows)[:, :, None] * width + cols[:, None, :]
        # Where the patch lies, rows of the patch (kept after the maps) are taken instead.
        tail = self._slots * height * width
        flat = patch.permute(0, 2, 3, 1).reshape(-1, channels)
        maps[tail : tail + len(flat)] = flat
        in_row = rows - (corner[:, :1] + window.padding)
        in_col = cols - (corner[:, 1:] + window.padding)
        inside = ((in_row >= 0) & (in_row < tall))[:, :, None]
        inside = inside & ((in_col >= 0) & (in_col < wide))[:, None, :]
        own = torch.arange(count, device=self._device)[:, None, None] * (tall * wide)
        own = own + in_row[:, :, None] * wide + in_col[:, None, :] + tail
        taken = maps.index_select(0, torch.where(inside, own, index).reshape(-1))
        region = taken.view(count, span[0], span[1], channels).permute(0, 3, 1, 2)
        return region, first
