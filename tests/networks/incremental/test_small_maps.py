from __future__ import annotations

import pytest
import torch
from torch import nn

from ndcore.networks.incremental import small_maps
from ndcore.networks.incremental.folding import fold_batch_norm
from ndcore.networks.incremental.graph import Step, graph_of


def steps_of(model: nn.Module, height: int, width: int) -> tuple[Step, ...]:
    steps = graph_of(
        fold_batch_norm(model.eval()), (height, width, 4), torch.device("cpu"), torch.float32
    )
    assert steps is not None
    return steps


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (1, 3)])
@pytest.mark.parametrize("settings", [{}, {"stride": 2}, {"bias": False, "dilation": 2}])
def test_small_maps_as_matrices(size: tuple[int, int], settings: dict[str, int]) -> None:
    torch.manual_seed(0)
    padding = settings.get("dilation", 1)
    steps = steps_of(nn.Sequential(nn.Conv2d(4, 6, 3, padding=padding, **settings)), *size)
    matrix = small_maps.with_matrices(steps)[1]
    assert matrix is not steps[1]
    values = torch.rand(5, 4, *size)
    with torch.no_grad():
        assert torch.allclose(matrix.run(values), steps[1].run(values), atol=1e-5)


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (1, 7)])
@pytest.mark.parametrize(
    "settings",
    [{"padding": 1}, {"padding": 2, "stride": 2, "bias": False}, {"padding": 2, "dilation": 2}],
)
def test_small_maps_by_taps(
    size: tuple[int, int], settings: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_maps, "MANY_WEIGHTS", 1)
    monkeypatch.setattr(small_maps, "LARGEST_MATRIX", 0)
    torch.manual_seed(0)
    steps = steps_of(nn.Sequential(nn.Conv2d(4, 6, 3, **settings)), *size)
    taps = small_maps.with_matrices(steps)[1]
    assert taps is not steps[1]
    values = torch.rand(5, 4, *size)
    with torch.no_grad():
        assert torch.allclose(taps.run(values), steps[1].run(values), atol=1e-5)


@pytest.mark.parametrize(
    "conv", [nn.Conv2d(4, 6, 3, padding=1), nn.Conv2d(4, 4, 3, groups=2, padding=1)]
)
def test_nothing_is_gained_on_large_maps_or_in_groups(conv: nn.Module) -> None:
    size = (8, 8) if conv.groups == 1 else (1, 1)
    steps = steps_of(nn.Sequential(conv), *size)
    assert small_maps.with_matrices(steps)[1] is steps[1]
