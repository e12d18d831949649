"""Convolutions on tiny maps, done on all images of a batch laid side by side.

Matrix units (AMX) take a row of a map at a time. On the deep maps of a VGG16, 2 and 4 pixels
wide, they idle; on one map as wide as the batch they are full, and a training step of the whole
network takes half the time. A kernel as large as its map is one product of matrices, which takes a
small part of the time. The result is that of the plain convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

WIDEST = 4


class SideBySide(TorchFunctionMode):
    """Within this context, convolutions on maps of at most 4 pixels a side run side by side or, if
    the kernel covers the map, as one product; others that make a map smaller, in float32."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Called by torch for every function; all but the convolutions meant go through."""
        if func is torch.conv2d and not kwargs and len(args) == 7:
            images, weight, bias, *how = args
            if max(images.shape[2:]) <= WIDEST:
                if how == [(1, 1), _half(weight), (1, 1), 1]:
                    return conv_side_by_side(images, weight, bias)
                if how[1:] == [(0, 0), (1, 1), 1] and images.shape[2:] == weight.shape[2:]:
                    return conv_of_whole_map(images, weight, bias)
                # In bfloat16 the gradient of weights that meet nothing but padding, as those of a
                # strided convolution on a single pixel, is memory that oneDNN never wrote.
                with torch.autocast(images.device.type, enabled=False):
                    return torch.conv2d(images.float(), weight.float(), bias, *how)
        return func(*args, **(kwargs or {}))


def conv_side_by_side(images: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution of stride 1 that keeps the map's size.

    Args:
        images: (N, C, H, W), best in channels-last order.
        weight: (units, C, h, w), h and w odd.
        bias: (units,) or none.

    Returns:
        (N, units, H, W), what `torch.conv2d` with padding (h // 2, w // 2) returns.
    """
    count, channels, height, width = images.shape
    # Zeros between two images, so that neither sees the other.
    gap = weight.shape[-1] // 2
    pitch = width + gap
    rows = F.pad(images.permute(2, 0, 3, 1), (0, 0, 0, gap))  # (H, N, pitch, C)
    wide = rows.reshape(1, height, count * pitch, channels).permute(0, 3, 1, 2)
    found = torch.conv2d(wide, weight, bias, padding=_half(weight))
    apart = found.permute(0, 2, 3, 1).reshape(height, count, pitch, -1)[:, :, :width]
    return apart.permute(1, 0, 2, 3).contiguous().permute(0, 3, 1, 2)


def conv_of_whole_map(images: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """A convolution whose kernel is as large as the map, without padding.

    Args:
        images: (N, C, H, W), best in channels-last order.
        weight: (units, C, H, W), in the same order.
        bias: (units,) or none.

    Returns:
        (N, units, 1, 1), what `torch.conv2d` returns.
    """
    flat = F.linear(_by_pixel(images), _by_pixel(weight), bias)
    return flat[:, :, None, None]


def _by_pixel(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(1)


def _half(weight: Tensor) -> tuple[int, int]:
    return weight.shape[-2] // 2, weight.shape[-1] // 2
