"""`de-paper`: the search of `de`, ended as published."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from ndcore.attacks import ENGINES, AttackConfig, AttackResult, attack_images
from ndcore.attacks.engines.de import GENERATIONS, POPULATION

IMAGE = np.full((6, 6, 3), 100, np.uint8)


class Slope(nn.Module):
    """The brighter a pixel, the less of class 0: it flips at half the way."""

    def __init__(self, steep: float) -> None:
        super().__init__()
        self.steep = nn.Parameter(torch.tensor(float(steep)))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        bright = images.mean(1).amax((1, 2)) - 0.7
        return torch.stack([-bright * self.steep, bright * self.steep], 1)


def run(engine: str, steep: float, **options: object) -> AttackResult:
    config = AttackConfig(engine, precision="float32", **options)
    return attack_images(Slope(steep).eval(), IMAGE[None], [0], ["a"], config)[0]


@pytest.mark.parametrize(("target", "most"), [(None, 0.05), (1, 0.1)])
def test_it_goes_on_until_the_flip_is_sure(target: int | None, most: float) -> None:
    tried = (run("de", 6, target=target, seed=seed) for seed in range(20))
    first = next(found for found in tried if found.probabilities_after[0] >= most)
    sure = run("de-paper", 6, target=target, seed=first.seed)
    assert first.success
    assert sure.success
    assert sure.first_hit == first.first_hit, "the same search"
    assert sure.queries > first.queries
    assert sure.queries % POPULATION == 0, "a generation is ended"
    assert sure.probabilities_after[0] < most
    curve = [best for count, best in sure.history if count <= sure.queries - POPULATION]
    assert all(best >= most if target is None else best <= 1 - most for best in curve)


def test_a_flip_that_never_gets_sure_is_kept_to_the_last_generation() -> None:
    result = run("de-paper", 1)
    assert result.success
    assert result.queries == POPULATION * (1 + GENERATIONS)
    lowest = min(best for _, best in result.history)
    assert result.probabilities_after[0] == pytest.approx(lowest, rel=1e-4)


def test_the_claims_say_how_each_ends() -> None:
    assert "ended by the first flip" in ENGINES["de"].about
    assert "below 5% or the target above 90%" in ENGINES["de-paper"].about
