"""Convolutions on small maps as matrix products: of all taps at once, or tile by tile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from ndcore.networks.incremental.geometry import Reach
from ndcore.networks.incremental.graph import Step
from ndcore.networks.incremental.sliding import Convolution
from ndcore.networks.incremental.tiles import Run, by_tiles

LARGEST_MATRIX = 2**23  # weights


def with_matrices(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The steps, those that gain by it as matrix products on whole maps."""
    found = []
    for step in steps:
        run = None
        if step.sliding and isinstance(step.sliding.slide, Convolution):
            run = _products(step, steps[step.inputs[0]], step.sliding.slide)
        found.append(step if run is None else replace(step, run=run))
    return tuple(found)


@torch.inference_mode()
def _products(step: Step, before: Step, slide: Convolution) -> Run | None:
    """A convolution of whole maps; None where nothing is gained."""
    assert step.size
    assert before.size
    if slide.groups != 1:
        return None
    tiled = by_tiles(step, before, slide)
    kernel = slide.weight.shape[2] * slide.weight.shape[3]
    positions = before.size[0] * before.size[1]
    numbers = before.channels * positions * step.channels * step.size[0] * step.size[1]
    fits = positions < kernel and numbers <= LARGEST_MATRIX
    return tiled or (_one_matrix(step, before, slide) if fits else None)


def _taps(reach: Reach, size: int, outputs: int) -> Iterator[tuple[int, int, int]]:
    """(output, input, tap) along one axis, for every tap that falls on the map."""
    for out, tap in product(range(outputs), range(reach.kernel)):
        at = out * reach.stride - reach.before + tap * reach.dilation
        if 0 <= at < size:
            yield out, at, tap


def _one_matrix(step: Step, before: Step, slide: Convolution) -> Run:
    """All taps in one matrix, with zeros between positions that no tap joins."""
    assert step.size
    assert before.size
    assert step.window
    (height, width), (tall, wide), channels = before.size, step.size, before.channels
    # Features in the order of channels_last memory, so that nothing is moved at run time.
    blocks = slide.weight.new_zeros(tall, wide, step.channels, height, width, channels)
    across = list(_taps(step.window.cols, width, wide))
    for y, row, v in _taps(step.window.rows, height, tall):
        for x, col, u in across:
            blocks[y, x, :, row, col] = slide.weight[:, :, v, u]
    features = height * width * channels
    matrix, outputs = blocks.view(-1, features), step.channels
    bias = None if slide.bias is None else slide.bias.repeat(tall * wide)

    def run(values: Tensor) -> Tensor:
        flat = values.permute(0, 2, 3, 1).reshape(len(values), features)
        out = F.linear(flat, matrix, bias).view(-1, tall, wide, outputs)
        return out.permute(0, 3, 1, 2)

    return run
