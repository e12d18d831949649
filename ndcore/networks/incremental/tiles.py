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

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from ndcore.networks.incremental.geometry import Reach
from ndcore.networks.incremental.graph import Step
from ndcore.networks.incremental.sliding import Convolution, Size
from ndcore.steps import in_parts

TILE, TAPS = 4, 3  # outputs and taps along one axis
POINTS = (0.0, 1.0, -1.0, 0.5, -2.0)  # one more lies at infinity
PRODUCTS = (len(POINTS) + 1) ** 2
# Where this gains.
OUTPUTS = range(9, 65)  # positions of the map
MANY_WEIGHTS = 2**17  # of the convolution
LARGEST = PRODUCTS * 512 * 512  # weights of the tiles, four times those of the convolution
AT_ONCE = 128  # tiles; what is multiplied stays in the processor's cache
CHANNELS = 32  # of which the weights are made at a time, in float64

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
    many = MANY_WEIGHTS <= slide.weight.numel() <= LARGEST * TAPS**2 // PRODUCTS
    four = before.size == step.size == (2, 2) and reaches[0].before == reaches[1].before == 1
    if not (plain and many and (four or step.size[0] * step.size[1] in OUTPUTS)):
        return None
    if four:
        # Three taps over two inputs between padding are two inputs over three taps.
        to_outputs, to_inputs, to_weights = _along_one_axis((0.0, 1.0), 2, 2)
        to_weights = to_weights.flip(1)
        down = across = to_inputs.flip(1)[None]
    else:
        to_outputs, to_weights, to_inputs = _along_one_axis(POINTS, TILE, TAPS)
        down, across = (
            _placed(to_inputs, *axis) for axis in zip(reaches, before.size, step.size, strict=True)
        )
    entry = torch.einsum("txr,uyc->tuxyrc", down, across).flatten(4).flatten(0, 3).float()
    weights = slide.weight.new_empty(len(to_weights) ** 2, before.channels, step.channels)
    for part in in_parts(before.channels, CHANNELS):
        of = to_weights, to_weights, slide.weight[:, part].double()
        weights[:, part] = torch.einsum("xv,yu,oivu->xyio", *of).flatten(0, 1)
    exit_ = torch.einsum("kx,ly->klxy", to_outputs, to_outputs).float()
    return _run(entry, weights, exit_, slide.bias, step.size)


def _run(entry: Tensor, weights: Tensor, exit_: Tensor, bias: Tensor | None, size: Size) -> Run:
    """The convolution.

    Args:
        entry: (tiles * products, positions) of a map.
        weights: (products, inputs, outputs).
        exit_: (rows, columns, ...) of a tile, of the products.
        bias: (outputs,).
        size: (H, W) of the outputs.
    """
    (height, width), (products, inputs, outputs) = size, weights.shape
    tile, leave = len(exit_), exit_.reshape(-1, products)
    tall, wide = -(-height // tile), -(-width // tile)
    most = max(1, AT_ONCE // (tall * wide))
    added = weights.new_zeros(outputs) if bias is None else bias

    def run(values: Tensor) -> Tensor:
        found = values.new_empty(len(values), tall, tile, wide, tile, outputs)
        for part in in_parts(len(values), most):
            some, out = values[part], found[part]
            flat = some.permute(0, 2, 3, 1).reshape(len(some), -1, inputs)
            seen = (entry @ flat).view(-1, products, inputs).transpose(0, 1)
            parts = leave @ torch.bmm(seen, weights).flatten(1)
            parts = parts.view(tile, tile, len(some), tall, wide, outputs)
            torch.add(parts.permute(2, 3, 0, 4, 1, 5), added, out=out)
        maps = found.view(len(values), tile * tall, tile * wide, outputs)[:, :height, :width]
        return maps.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)

    return run


def _placed(to_inputs: Tensor, reach: Reach, size: int, outputs: int) -> Tensor:
    """`to_inputs` of every tile along an axis of a map without padding, (tiles, values, size)."""
    starts, seen = range(0, outputs, TILE), to_inputs.shape[1]
    beyond = starts[-1] + seen  # at most that far the last tile sees
    padded = F.pad(torch.eye(size, dtype=torch.float64), (0, 0, reach.before, beyond))
    return torch.stack([to_inputs @ padded[start : start + seen] for start in starts])


def _along_one_axis(points: Sequence[float], tile: int, taps: int) -> tuple[Tensor, Tensor, Tensor]:
    """A (m, n), G (n, r) and B (n, n): A ((G taps) * (B inputs)) are the m outputs of r taps.

    Args:
        points: n - 1 = m + r - 2 of them; the last lies at infinity.
        tile: m.
        taps: r.
    """
    others = [np.delete(points, at) for at in range(len(points))]
    apart = [np.prod(point - other) for point, other in zip(points, others, strict=True)]
    to_outputs, to_weights = (_powers(points, count) for count in (tile, taps))
    to_weights[:-1] /= np.array(apart)[:, None]
    to_inputs = [*(np.append(np.poly(other)[::-1], 0) for other in others), np.poly(points)[::-1]]
    return (
        torch.from_numpy(to_outputs.T),
        torch.from_numpy(to_weights),
        torch.from_numpy(np.stack(to_inputs)),
    )


def _powers(points: Sequence[float], count: int) -> NDArray[np.float64]:
    """The first powers of every point, (n, count); at infinity only the highest counts."""
    return np.concatenate([np.vander(points, count, increasing=True), np.eye(1, count, count - 1)])
