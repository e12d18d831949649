"""What a network answers to made-up images: whether it is still the one that was known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from ndcore.networks.called.stored import Stored
from ndcore.networks.forward import forward

TOLD, TOLD_ALONE = 20, 400  # numbers of an answer that are compared
LOOKED_AT, LOOKED_AT_ALONE = 2, 32  # made-up images; the second of each where there are no weights
LARGE = 20.0  # a logit, as far as the tolerance of a comparison goes


def made_up_answer(model: nn.Module, shape: Sequence[int]) -> list[float]:
    """Logits of made-up images: other code with the same weights gives others.

    A model without weights is told by its answers alone, so more of them are looked at.
    """
    if isinstance(model, Stored):
        return []  # it is told by its file
    alone = not model.state_dict()
    images, told = (LOOKED_AT_ALONE, TOLD_ALONE) if alone else (LOOKED_AT, TOLD)
    pixels = np.random.default_rng(0).integers(0, 256, (images, *shape)).astype(np.uint8)
    found = forward(model, pixels).float()
    if alone:
        found = found[:, : max(1, told // images)]
    return [float(f"{value:.4g}") for value in found.flatten()[:told].tolist()]


def is_answer(answer: Sequence[float], stored: Sequence[float]) -> bool:
    """Whether two made-up answers are those of the same network, on any two machines."""
    scale = min(LARGE, max(map(abs, stored), default=0))
    return len(answer) == len(stored) and np.allclose(
        answer, stored, rtol=1e-3, atol=1e-2 * scale, equal_nan=True
    )
