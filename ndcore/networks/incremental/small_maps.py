"""Convolutions on maps so small that most of their taps fall on padding, as one matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from ndcore.networks.incremental.graph import Step
from ndcore.networks.incremental.sliding import Convolution

LARGEST_MATRIX = 2**23  # weights


def with_matrices(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, those that gain by it as matrices on whole maps."""
    found = []
    for step in steps:
        run = None
        if step.sliding and isinstance(step.sliding.slide, Convolution):
            before = steps[step.inputs[0]]
            run = _as_matrix(step, before)
        found.append(step if run is None else replace(step, run=run))
    return tuple(found)


@torch.inference_mode()
def _as_matrix(step: Step, before: Step) -> Callable[[Tensor], Tensor] | None:
    """A convolution of whole maps, or None where nothing is gained."""
    assert step.sliding
    assert step.size
    assert before.size
    slide, window = step.sliding.slide, step.sliding.window
    assert isinstance(slide, Convolution)
    (height, width), (tall, wide), channels = before.size, step.size, before.channels
    features, outputs = channels * height * width, step.channels * tall * wide
    rows, cols = window.rows, window.cols
    fits = features * outputs <= LARGEST_MATRIX
    if slide.groups != 1 or height * width >= rows.kernel * cols.kernel or not fits:
        return None
    # Features in the order of channels_last memory, so that nothing is moved at run time.
    blocks = slide.weight.new_zeros(tall, wide, step.channels, height, width, channels)
    for y, x in product(range(tall), range(wide)):
        for v, u in product(range(rows.kernel), range(cols.kernel)):
            row = y * rows.stride - rows.before + v * rows.dilation
            col = x * cols.stride - cols.before + u * cols.dilation
            if 0 <= row < height and 0 <= col < width:
                blocks[y, x, :, row, col] = slide.weight[:, :, v, u]
    matrix = blocks.view(outputs, features)
    bias = None if slide.bias is None else slide.bias.repeat(tall * wide)

    def run(values: Tensor) -> Tensor:
        flat = values.permute(0, 2, 3, 1).reshape(len(values), features)
        out = F.linear(flat, matrix, bias).view(-1, tall, wide, step.channels)
        return out.permute(0, 3, 1, 2)

    return run
