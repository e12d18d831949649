"""Convolutions of 3 x 3 taps on small maps, tile by tile: a quarter of the products.

The inputs of a tile and the taps are taken for polynomials. Their values at a few points, which
sums make, are multiplied channel by channel, and sums again make the outputs of that: 36 products
for a tile of 4 x 4 outputs, where its taps are 144.

Reference:
    Lavin & Gray 2016, "Fast algorithms for convolutional neural networks"; the points are those of
    Barabasz et al. 2020, "Error analysis and improving the accuracy of Winograd convolution for
    deep neural networks".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ndcore.networks.incremental.geometry import Reach
from ndcore.networks.incremental.graph import Step
from ndcore.networks.incremental.sliding import Convolution, Size
from ndcore.steps import in_parts

TILE, TAPS = 4, 3  # outputs and taps along one axis
SEEN = TILE + TAPS - 1  # inputs
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)  # one more lies at infinity
PRODUCTS = (len(POINTS) + 1) ** 2
# Where this gains.
FEW_OUTPUTS = 64  # positions
MANY_WEIGHTS = 2**17  # of the convolution
LARGEST = PRODUCTS * 512 * 512  # weights of the tiles, four times those of the convolution
AT_ONCE = 128  # tiles; what is multiplied stays in the processor's cache

FEW_CHANNELS = 32  # in float64 at a time

Run = Callable[[Tensor], Tensor]


def by_tiles(step: Step, before: Step, slide: Convolution) -> Run | None:
    """A convolution, in one group, of whole maps; None where nothing is gained.

    Args:
        step: the convolution.
        before: what it takes.
        slide: how it does.
    """
    assert step.size
    assert before.size
    assert step.window
    reaches = step.window.rows, step.window.cols
    if any((way.kernel, way.stride, way.dilation) != (TAPS, 1, 1) for way in reaches):
        return None
    # In bfloat16 the sums would be rounded in between; elsewhere libraries know.
    plain = slide.weight.dtype == torch.float32 and slide.weight.device.type == "cpu"
    few = step.size[0] * step.size[1] <= FEW_OUTPUTS
    many = MANY_WEIGHTS <= slide.weight.numel() <= LARGEST * TAPS**2 // PRODUCTS
    if not (plain and few and many):
        return None
    to_outputs, to_weights, to_inputs = _along_one_axis()
    down, across = (
        _placed(to_inputs, *axis) for axis in zip(reaches, before.size, step.size, strict=True)
    )
    entry = torch.einsum("txr,uyc->tuxyrc", down, across).flatten(4).flatten(0, 3).float()
    weights = slide.weight.new_empty(PRODUCTS, before.channels, step.channels)
    for part in in_parts(before.channels, FEW_CHANNELS):
        of = to_weights, to_weights, slide.weight[:, part].double()
        weights[:, part] = torch.einsum("xv,yu,oivu->xyio", *of).flatten(0, 1)
    exit_ = torch.einsum("kx,ly->klxy", to_outputs, to_outputs).flatten(2).flatten(0, 1).float()
    return _run(entry, weights, exit_, slide.bias, step.size)


def _run(entry: Tensor, weights: Tensor, exit_: Tensor, bias: Tensor | None, size: Size) -> Run:
    """The convolution.

    Args:
        entry: (tiles * products, positions) of a map.
        weights: (products, inputs, outputs).
        exit_: (positions, products) of a tile.
        bias: (outputs,).
        size: (H, W) of the outputs.
    """
    (height, width), (inputs, outputs) = size, weights.shape[1:]
    tall, wide = -(-height // TILE), -(-width // TILE)
    most = max(1, AT_ONCE // (tall * wide))
    added = weights.new_zeros(outputs) if bias is None else bias

    def run(values: Tensor) -> Tensor:
        found = values.new_empty(len(values), tall, TILE, wide, TILE, outputs)
        for part in in_parts(len(values), most):
            some = values[part]
            flat = some.permute(0, 2, 3, 1).reshape(len(some), -1, inputs)
            seen = (entry @ flat).view(-1, PRODUCTS, inputs).transpose(0, 1)
            parts = (exit_ @ torch.bmm(seen, weights).flatten(1)).view(
                TILE, TILE, len(some), tall, wide, outputs
            )
            torch.add(parts.permute(2, 3, 0, 4, 1, 5), added, out=found[part])
        maps = found.view(len(values), TILE * tall, TILE * wide, outputs)[:, :height, :width]
        return maps.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    return run


def _placed(to_inputs: Tensor, reach: Reach, size: int, outputs: int) -> Tensor:
    """`to_inputs` of every tile along an axis of a map without padding, (tiles, values, size)."""
    starts = range(0, outputs, TILE)
    beyond = starts[-1] + SEEN  # of what the last tile sees
    padded = F.pad(torch.eye(size, dtype=torch.float64), (0, 0, reach.before, beyond))
    return torch.stack([to_inputs @ padded[start : start + SEEN] for start in starts])


def _along_one_axis() -> tuple[Tensor, Tensor, Tensor]:
    """A (4, 6), G (6, 3) and B (6, 6): A ((G taps) * (B inputs)) are the outputs of a tile."""
    points = np.array(POINTS)
    others = [np.delete(points, at) for at in range(len(points))]
    apart = [np.prod(point - other) for point, other in zip(points, others, strict=True)]
    outputs, taps = (np.vander(points, count, increasing=True) for count in (TILE, TAPS))
    taps /= np.array(apart)[:, None]
    inputs = [*(np.append(np.poly(other)[::-1], 0) for other in others), np.poly(points)[::-1]]
    # At infinity only the highest power counts.
    outputs, taps = (
        np.concatenate([some, np.eye(1, len(some.T), len(some.T) - 1)]) for some in (outputs, taps)
    )
    return torch.from_numpy(outputs.T), torch.from_numpy(taps), torch.from_numpy(np.stack(inputs))
