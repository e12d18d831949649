"""Training augmentation on whole batches: mirror, shift, cut out, resize.

References: DeVries & Taylor 2017, "Improved regularization of convolutional neural networks
with cutout"; the alternating mirror (each image is flipped every second epoch) follows Jordan
2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def shift(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Move images (N, C, H, W) by up to `most` pixels each way, borders reflected."""
    if most == 0:
        return images
    count, _, height, width = images.shape
    padded = F.pad(images, (most,) * 4, mode="reflect")
    offsets = torch.randint(0, 2 * most + 1, (count, 2), generator=generator).to(images.device)
    rows = offsets[:, :1] + torch.arange(height, device=images.device)
    cols = offsets[:, 1:] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    moved = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], cols[:, None, :]]
    return moved.permute(0, 3, 1, 2)


def cut_out(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Set one square of `side` pixels per image to mid-grey (0.5); (N, C, H, W)."""
    if side == 0:
        return images
    count, _, height, width = images.shape
    top = torch.randint(-side // 2, height - side // 2, (count, 1), generator=generator)
    left = torch.randint(-side // 2, width - side // 2, (count, 1), generator=generator)
    rows, cols = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= top) & (rows < top + side)
    inside_cols = (cols >= left) & (cols < left + side)
    hole = inside_rows[:, None, :, None] & inside_cols[:, None, None, :]
    return images.masked_fill(hole.to(images.device), 0.5)


def resize(images: Tensor, side: int) -> Tensor:
    """Square images of `side` pixels, antialiased; the input itself where it has that size."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(
        images, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )
