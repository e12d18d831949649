"""A network with a known answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class OneDecisivePixel(nn.Module):
    """Two classes; class 1 wins if and only if the red value at (row, col) exceeds 0.5."""

    def __init__(self, row: int, col: int) -> None:
        super().__init__()
        self.row, self.col = row, col
        self.scale = nn.Parameter(torch.tensor(20.0))

    def forward(self, images: Tensor) -> Tensor:
        value = self.scale * (images[:, 0, self.row, self.col] - 0.5)
        return torch.stack([-value, value], dim=1)
