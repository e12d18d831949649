"""The images that a model is trained on, held in memory where they fit."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ndcore.data.sources import ImageSource
from ndcore.networks.forward import to_images


class Resident:
    """Training images, held in memory as 8-bit values when they fit, else read batch by batch."""

    LIMIT_BYTES = 2 << 30

    def __init__(self, source: ImageSource, members: list[int]) -> None:
        self.source, self.members = source, np.array(members)
        self.labels = torch.from_numpy(source.labels[self.members])
        fits = len(members) * int(np.prod(source.shape)) <= self.LIMIT_BYTES
        self.held = source.pixels(members) if fits else None

    def __len__(self) -> int:
        return len(self.members)

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images (n, C, H, W) in [0, 1] and labels (n,) at `rows`, int64 (n,)."""
        chosen = rows.numpy()
        if self.held is not None:
            return to_images(self.held[chosen]), self.labels[rows]
        return to_images(self.source.pixels(self.members[chosen])), self.labels[rows]
