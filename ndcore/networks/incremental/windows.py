"""Exact answers after a change of one pixel, computed only where the change can be seen.

A pixel reaches a 3x3 window of the first convolution's output, a 5x5 window of the second's, and
so on (receptive-field arithmetic). Everything outside is taken from the unchanged image. Where
branches meet, the window is the smallest around theirs, and a mean over all positions changes by
what its window does. When the windows have grown to most of the map, or a step spreads the
change over all of it, the rest of the network runs on whole maps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ndcore.networks.incremental.background import Background, Corner, Patch, Read
from ndcore.networks.incremental.graph import Kind, Step
from ndcore.networks.incremental.plan import Cut, Spread
from ndcore.networks.incremental.sliding import Size

GROUP = 64  # candidates of one kind are run with windows of their own size, so many at a time
# The others are filled up to one of few sizes: a new batch size costs the library new kernels.
FILLED = (8, 16, 32)
WORTH = 1.05  # times fewer multiplications, at least


class Incremental:
    """Runs one-pixel changes of prepared images through a model.

    Args:
        steps: of the model.
        slots: images that can be prepared at a time.
        device, dtype: of the steps' weights.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        slots: int,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._device, self._dtype = device, dtype
        self._spread = spread = Spread(steps)
        self._widths = spread.widths(0), spread.widths(1)
        self._row_kind, self._col_kind = spread.kinds(0), spread.kinds(1)
        self._plans: dict[tuple[int, int], tuple[Cut, ...]] = {}
        self._everywhere = spread.cuts(*(widths.amax(1).tolist() for widths in self._widths))
        smallest = spread.cuts(*(widths.amin(1).tolist() for widths in self._widths))
        # From this step on the whole batch runs on whole maps.
        self._common = 1 + max((i for i, cut in enumerate(smallest) if not cut.whole), default=0)
        # From there on steps have no windows, and let go of the weights for them.
        self._steps = spread.steps = [
            *steps[: self._common],
            *(replace(step, sliding=None) for step in steps[self._common :]),
        ]
        self._last_use = {i: index for index, step in enumerate(steps) for i in step.inputs}
        self._last_use[len(steps) - 1] = len(steps)
        self._live = [i for i in range(self._common) if self._last_use.get(i, 0) >= self._common]
        self._first = [
            tuple(first.to(device) for first, _ in spans) for spans in spread.spans[: self._common]
        ]
        # Windows that lie where the step's own do are taken as they are.
        self._same = [
            tuple(spread.same(index, i) for i in step.inputs)
            for index, step in enumerate(steps[: self._common])
        ]
        reads = [read for index in range(1, self._common) for read in self._reads(index)]
        reads += [Read(i) for i in self._live if steps[i].size is not None]
        self._background = Background(reads, spread.sizes, slots)
        self._slots = slots
        self._means: dict[int, Tensor] = {}  # of the unchanged images, (slots, channels)

    def left(self, positions: Tensor | None = None) -> float:
        """See `Spread.left`."""
        return self._spread.left(positions)

    @property
    def useful(self) -> bool:
        """Whether windows save anything."""
        return self._spread.share(self._everywhere) * WORTH < 1

    def order(self, positions: Tensor) -> Tensor:
        """Indices (P,) that bring positions (P, 2) with windows of equal sizes together."""
        kinds = self._row_kind[positions[:, 0]] * len(self._col_kind)
        return torch.argsort(kinds + self._col_kind[positions[:, 1]], stable=True)

    def _reads(self, index: int) -> list[Read]:
        """What a step may see beyond the windows of its inputs."""
        step = self._steps[index]
        if step.window is not None:
            return [Read(step.inputs[0], step.window.fill, step.window.padding)]
        if step.kind is Kind.MEAN or len(step.inputs) > 1:
            return [Read(i) for i in step.inputs]
        return []

    # -- unchanged images

    @torch.inference_mode()
    def prepare(self, slot: int, image: Tensor) -> None:
        """Keep the maps of one image (1, C, H, W) in [0, 1] under a slot number."""
        first = image.to(self._device, self._dtype).contiguous(memory_format=torch.channels_last)
        values: dict[int, Tensor] = {0: first}
        kept: set[int] = set()
        for index in range(1, self._common):
            step = self._steps[index]
            # Now, as a step may write over what it takes.
            for read in self._reads(index):
                if read.index not in kept:
                    self._background.keep(slot, read.index, values[read.index])
                    kept.add(read.index)
            values[index] = step.run(*(values[i] for i in step.inputs))
            if step.kind is Kind.MEAN:
                mean = values[index].float().flatten()
                if index not in self._means:
                    self._means[index] = mean.new_zeros(self._slots, len(mean))
                self._means[index][slot] = mean
            self._forget(values, index)
        for i in self._live:
            if i not in kept and self._steps[i].size is not None:
                self._background.keep(slot, i, values[i])

    def _forget(self, values: dict[int, Tensor], index: int) -> None:
        """Let go of what no later step takes."""
        for i in self._steps[index].inputs:
            if self._last_use[i] == index:
                del values[i]

    def whole(self, images: Tensor) -> Tensor:
        """The answer to whole images (N, C, H, W) in [0, 1]."""
        return self._answer({0: images}, 1)

    def _answer(self, values: dict[int, Tensor], first: int) -> Tensor:
        """That of the model, from what the steps before `first` gave, which is let go."""
        for index in range(first, len(self._steps)):
            step = self._steps[index]
            values[index] = step.run(*(values[i] for i in step.inputs))
            self._forget(values, index)
        return values[len(self._steps) - 1]

    # -- changed images

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
        for cuts, members in self._groups(positions):
            order.append(members)
            at = slots[members].to(self._device), positions[members].to(self._device)
            parts.append(self._windows(cuts, *at, colours[members]))
        values = {
            i: torch.cat([part[i] for part in parts]) if len(parts) > 1 else parts[0][i]
            for i in self._live
        }
        answer = self._answer(values, self._common)
        # A filler repeats a candidate of its group, so it may be written over it.
        found = answer.new_empty((len(positions), answer.shape[1]), dtype=torch.float32)
        found[torch.cat(order).to(self._device)] = answer.float()
        return found

    def _plan(self, row: int, col: int) -> tuple[Cut, ...]:
        """What is computed for the rows and columns of these kinds."""
        if (row, col) not in self._plans:
            mine = self._row_kind == row, self._col_kind == col
            needed = (
                widths[:, members].amax(1).tolist()
                for widths, members in zip(self._widths, mine, strict=True)
            )
            self._plans[row, col] = self._spread.cuts(*needed)
        return self._plans[row, col]

    def _groups(self, positions: Tensor) -> list[tuple[tuple[Cut, ...], Tensor]]:
        """Plans and the candidates that run under each."""
        kinds = torch.stack([self._row_kind[positions[:, 0]], self._col_kind[positions[:, 1]]], 1)
        found, member_of = torch.unique(kinds, dim=0, return_inverse=True)
        groups, others = [], []
        for index, (row, col) in enumerate(found.tolist()):
            members = torch.nonzero(member_of == index)[:, 0]
            own = len(members) // GROUP * GROUP
            if own:
                groups.append((self._plan(row, col), members[:own]))
            others.append(members[own:])
        rest = torch.cat(others)
        if len(rest):
            size = next((size for size in FILLED if size >= len(rest)), None)
            size = size or -(-len(rest) // FILLED[-1]) * FILLED[-1]
            filler = rest[-1:].expand(size - len(rest))
            groups.append((self._everywhere, torch.cat([rest, filler])))
        return groups

    def _windows(
        self, cuts: tuple[Cut, ...], slots: Tensor, positions: Tensor, colours: Tensor
    ) -> dict[int, Tensor]:
        """Whole outputs of the steps that are taken where whole maps run."""
        values = colours.to(self._device, self._dtype)[:, :, None, None]
        seen = _Seen(self._background, self._spread.sizes, slots)
        seen.patches[0] = Patch(values, (positions[:, 0], positions[:, 1]))
        for index in range(1, self._common):
            step = self._steps[index]
            if cuts[index].whole:
                seen.patches[index] = Patch(self._whole(index, seen))
            elif step.window is None and len(step.inputs) == 1:
                before = seen.patches[step.inputs[0]]
                seen.patches[index] = Patch(step.run(before.values), before.corner)
            else:
                corner = self._corner(index, cuts[index], positions)
                seen.patches[index] = Patch(self._part(index, seen, corner, cuts[index]), corner)
            for i in step.inputs:
                if self._last_use[i] == index:
                    del seen.patches[i]
        return {i: seen.whole(i) for i in self._live}

    def _corner(self, index: int, cut: Cut, positions: Tensor) -> Corner:
        """Where the windows of a step's output begin."""
        firsts, sizes = self._first[index], self._spread.sizes[index]
        rows, cols = (
            firsts[axis][positions[:, axis]].clamp(max=sizes[axis] - cut.size[axis])
            for axis in (0, 1)
        )
        return rows, cols

    def _part(self, index: int, seen: _Seen, corner: Corner, cut: Cut) -> Tensor:
        """Windows of a step's output."""
        step, (rows, cols) = self._steps[index], corner
        if step.sliding is not None and step.sliding.slide is not None:
            window = step.sliding.window
            first = (
                rows * window.rows.stride - window.rows.before,
                cols * window.cols.stride - window.cols.before,
            )
            span = window.rows.inputs(cut.size[0]), window.cols.inputs(cut.size[1])
            read = Read(step.inputs[0], window.fill, window.padding)
            return step.sliding.slide(seen.part(read, first, span))
        parts = [
            seen.patches[i].values if same else seen.part(Read(i), corner, cut.size)
            for i, same in zip(step.inputs, self._same[index], strict=True)
        ]
        found: Tensor = step.run(*parts)
        return found

    def _whole(self, index: int, seen: _Seen) -> Tensor:
        """A step's output, all of it."""
        step = self._steps[index]
        before = step.inputs[0]
        corner = seen.patches[before].corner
        if step.kind is not Kind.MEAN or corner is None:
            found: Tensor = step.run(*(seen.whole(i) for i in step.inputs))
            return found
        changed = seen.patches[before].values
        height, width = self._spread.sizes[before]
        span = changed.shape[2], changed.shape[3]
        unchanged = self._background.region(Read(before), seen.slots, corner, span, None)
        gained = changed.sum((2, 3), dtype=torch.float32)
        gained -= unchanged.sum((2, 3), dtype=torch.float32)
        means = self._means[index][seen.slots] + gained / (height * width)
        means = means.to(self._dtype)
        return means if step.size is None else means[:, :, None, None]


class _Seen:
    """What is known of some candidates.

    Args:
        background: the unchanged images.
        sizes: (H, W) of every step's output.
        slots: int64 (P,), of the images.
    """

    def __init__(self, background: Background, sizes: Sequence[Size], slots: Tensor) -> None:
        self._background, self._sizes, self.slots = background, sizes, slots
        self.patches: dict[int, Patch] = {}

    def part(self, read: Read, first: Corner, span: Size) -> Tensor:
        """Windows (P, C, h, w) of a step's output, beginning at `first`."""
        return self._background.region(read, self.slots, first, span, self.patches[read.index])

    def whole(self, index: int) -> Tensor:
        """A step's output, all of it."""
        patch = self.patches[index]
        if patch.corner is None:
            return patch.values
        zero = torch.zeros_like(self.slots)
        return self.part(Read(index), (zero, zero), self._sizes[index])
