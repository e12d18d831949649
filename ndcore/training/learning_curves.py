"""What a learning curve is made of: the loss, and the share of images judged wrongly."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Judged(NamedTuple):
    """Means over images: cross-entropy, and shares whose class is not among the first 1 or 5."""

    loss: float
    top1_error: float
    top5_error: float


def judged(logits: Tensor, labels: Tensor) -> Judged:
    """Loss and errors of logits (N, classes) under labels int64 (N,)."""
    loss = float(F.cross_entropy(logits, labels))
    first, fifth = (1 - hits / len(labels) for hits in count_hits(logits, labels))
    return Judged(loss, float(first), float(fifth))


def count_hits(logits: Tensor, labels: Tensor) -> Tensor:
    """How many images have their class among the first 1 and the first 5, (2,)."""
    order = logits.topk(min(5, logits.shape[1])).indices == labels[:, None]
    return torch.stack([order[:, 0].sum(), order.sum()])
