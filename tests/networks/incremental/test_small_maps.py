from __future__ import annotations

import gc
import weakref
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from ndcore.networks.forward import to_images
from ndcore.networks.incremental import small_maps, tiles
from ndcore.networks.incremental.folding import fold_batch_norm
from ndcore.networks.incremental.graph import Step, graph_of
from ndcore.networks.normalize import Normalize
from ndcore.networks.way import Way


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


@pytest.mark.parametrize(
    ("size", "padding"),
    [((4, 4), 1), ((8, 8), 1), ((7, 5), (0, 2)), ((9, 9), 0), ((2, 9), (1, 0)), ((2, 2), 1)],
)
@pytest.mark.parametrize("bias", [True, False])
def test_small_maps_by_tiles(
    size: tuple[int, int],
    padding: int | tuple[int, int],
    bias: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tiles, "MANY_WEIGHTS", 1)
    monkeypatch.setattr(tiles, "AT_ONCE", 4)
    monkeypatch.setattr(small_maps, "LARGEST_MATRIX", 0)
    torch.manual_seed(0)
    conv = nn.Conv2d(4, 6, 3, padding=padding, bias=bias)
    steps = steps_of(nn.Sequential(conv), *size)
    tiled = small_maps.with_matrices(steps)[1]
    assert tiled is not steps[1]
    for values in (torch.rand(5, 4, *size), torch.rand(5, *size, 4).permute(0, 3, 1, 2)):
        with torch.no_grad():
            found, exact = tiled.run(values), conv.double()(values.double())
            conv.float()
        assert found.shape == exact.shape
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert (found - exact).abs().max() < 2e-6


@pytest.mark.parametrize(
    ("conv", "size"),
    [
        (nn.Conv2d(4, 6, 3, padding=1), (8, 8)),
        (nn.Conv2d(4, 4, 3, groups=2, padding=1), (1, 1)),
        (nn.Conv2d(4, 256 * 128, 3, padding=1), (9, 8)),
        (nn.Conv2d(4, 256 * 128, 3, padding=1, stride=2), (8, 8)),
        (nn.Conv2d(4, 256 * 128, 3, padding=2, dilation=2), (8, 8)),
        (nn.Conv2d(4, 256 * 128, 5, padding=2), (8, 8)),
        (nn.Conv2d(4, 256 * 256 + 1, 3, padding=1), (4, 4)),
    ],
    ids=["few weights", "groups", "large map", "stride", "dilation", "5 x 5", "memory"],
)
def test_nothing_is_gained(conv: nn.Conv2d, size: tuple[int, int]) -> None:
    steps = steps_of(nn.Sequential(conv), *size)
    assert small_maps.with_matrices(steps)[1] is steps[1]


def test_weights_that_became_a_matrix_are_let_go() -> None:
    conv = nn.Conv2d(4, 6, 3, padding=1)
    norm = Normalize((0.5,) * 4, (0.2,) * 4)  # a function, which must not keep the graph either
    graph = fold_batch_norm(nn.Sequential(OrderedDict(norm=norm, conv=conv, flat=nn.Flatten())))
    weight = weakref.ref(graph.get_submodule("conv").weight)
    way = Way(graph, (2, 2, 4), torch.device("cpu"), own=True)
    del graph
    gc.collect()
    assert weight() is None
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 2, 4), dtype=np.uint8)
    with torch.no_grad():
        assert torch.allclose(
            way.whole(images), conv(norm(to_images(images))).flatten(1), atol=1e-5
        )
