"""Training augmentation on whole batches: mirror, shift, vary, mix, cut out, resize.

References: DeVries & Taylor 2017, "Improved regularization of convolutional neural networks
with cutout"; Yun et al. 2019, "CutMix: regularization strategy to train strong classifiers with
localizable features"; Müller & Hutter 2021, "TrivialAugment: tuning-free yet state-of-the-art
data augmentation"; the alternating mirror (each image is flipped every second epoch) follows
Jordan 2024, "94% on CIFAR-10 in 3.29 seconds on a single GPU".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

# TrivialAugment draws one operation per call; so many images share it.
ALIKE = 16


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
    hole = _boxes(top, left, torch.full_like(top, side), height, width)
    return images.masked_fill(hole.to(images.device), 0.5)


def cut_mix(
    images: Tensor, targets: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Paste a box of another image into a share of the images, and mix targets by area.

    Args:
        images: (N, C, H, W).
        targets: shares of the classes, float (N, classes).
        share: of the images that get a box, of an area evenly drawn from [0, 1].
        generator: of all that is drawn.

    Returns:
        Images and targets, of the same shapes.
    """
    if share == 0:
        return images, targets
    count, _, height, width = images.shape
    drawn = torch.rand((count, 4), generator=generator)
    sides = (drawn[:, :1].sqrt() * (drawn[:, 1:2] < share) * height).round().long()
    top = (drawn[:, 2:3] * height).long() - sides // 2
    left = (drawn[:, 3:] * width).long() - sides // 2
    box = _boxes(top, left, sides, height, width).to(images.device)
    kept = 1 - box.float().mean((1, 2, 3))[:, None]
    mixed = torch.where(box, images.roll(1, 0), images)
    return mixed, kept * targets + (1 - kept) * targets.roll(1, 0)


def _boxes(top: Tensor, left: Tensor, side: Tensor, height: int, width: int) -> Tensor:
    """Which pixels lie in one square per image, bool (N, 1, H, W); all arguments (N, 1)."""
    rows, cols = torch.arange(height), torch.arange(width)
    inside_rows = (rows >= top) & (rows < top + side)
    inside_cols = (cols >= left) & (cols < left + side)
    return inside_rows[:, None, :, None] & inside_cols[:, None, None, :]


def vary(images: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """Colours, contrast, sharpness or shape of a share of the images (N, C, H, W) altered.

    One operation of torchvision's TrivialAugmentWide per 16 images of the batch.
    """
    if share == 0:
        return images
    from torchvision.transforms.v2 import InterpolationMode, TrivialAugmentWide

    operation = TrivialAugmentWide(interpolation=InterpolationMode.BILINEAR, fill=0.5)
    groups = list(torch.split(images, ALIKE))
    chosen = torch.rand(len(groups), generator=generator) < share
    seed = int(torch.randint(2**62, (1,), generator=generator))
    # torchvision draws from the global generator, which is left as it was.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        varied = [operation(g) if c else g for g, c in zip(groups, chosen.tolist(), strict=True)]
    return torch.cat(varied).clamp(0, 1)


def resize(images: Tensor, side: int) -> Tensor:
    """Square images of `side` pixels, antialiased; the input itself where it has that size."""
    if images.shape[-1] == side:
        return images
    return F.interpolate(
        images, size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )
