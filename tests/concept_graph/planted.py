"""A network whose weights are set by hand, so that its circuit is known."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ndcore.concept_graph.sums import FOLDS, ClassSums, Watched, class_sums

LAYERS = ("first", "second", "answer")


def planted_circuit() -> nn.Sequential:
    """Unit 1 of `first` alone drives units 2 (up) and 0 (down) of `second`, which make class 1.

    Class 1 = 3 x second[2] - 1 x second[0]; class 0 has second[3], that first[0] drives.
    """
    first = nn.Conv2d(3, 3, 1)
    second = nn.Conv2d(3, 4, 3, padding=1)
    answer = nn.Linear(4, 2)
    with torch.no_grad():
        for part in (first, second, answer):
            part.weight.zero_()
            assert part.bias is not None
            part.bias.zero_()
        for channel in range(3):
            first.weight[channel, channel] = 1
        second.weight[2, 1, 1, 1] = 2
        second.weight[0, 1, 0, 0] = 0.5
        second.weight[3, 0, 1, 1] = 1
        answer.weight[1, 2] = 3
        answer.weight[1, 0] = -1
        answer.weight[0, 3] = 1
    return (
        nn.Sequential(
            OrderedDict(
                first=nn.Sequential(first, nn.ReLU(inplace=True)),
                second=nn.Sequential(second, nn.ReLU(inplace=True)),
                pool=nn.AdaptiveMaxPool2d(1),
                flatten=nn.Flatten(),
                answer=answer,
            )
        )
        .eval()
        .requires_grad_(False)
    )


def noise(images: int, shape: tuple[int, int, int] = (6, 6, 3)) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(1, 256, (images, *shape), dtype=np.uint8)


def summed(
    model: nn.Module,
    layers: tuple[str, ...],
    pixels: NDArray[np.uint8],
    label: int,
    folds: Sequence[int] = range(FOLDS),
) -> tuple[Watched, ClassSums]:
    """All of the images as one class."""
    watched = Watched.of(model, layers, pixels[:2])
    members = list(range(len(pixels)))
    return watched, class_sums(
        watched, lambda some: pixels[list(some)], members, label, folds=folds
    )
