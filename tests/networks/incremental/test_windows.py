"""One-pixel changes on windows of any convolutional graph, against plain forward passes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.densenet import DenseNet
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import BasicBlock, ResNet

from ndcore.data.pixels import paint
from ndcore.networks.evaluator import Evaluator, Query
from ndcore.networks.incremental.folding import fold_batch_norm
from ndcore.networks.incremental.graph import Kind, graph_of
from ndcore.networks.incremental.plan import Spread

CHANGES = 512


class Seen(nn.Module):
    """Shared: a head over the mean of a body's maps."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(channels, 5)

    def body(self, images: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images).mean((2, 3)))


class Residual(Seen):
    """The input is used twice, on a smaller window than the sum's."""

    def __init__(self) -> None:
        super().__init__(3)
        self.first = nn.Conv2d(3, 3, 3, padding=1)

    def body(self, images: Tensor) -> Tensor:
        return torch.relu(self.first(images)) + images


class Branches(Seen):
    """Concatenation of branches with windows of different sizes, and two fills of one map."""

    def __init__(self) -> None:
        super().__init__(16)
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.one, self.five = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 5, padding=2)
        self.tall = nn.Conv2d(4, 4, (5, 1), padding="same")

    def body(self, images: Tensor) -> Tensor:
        stem = self.stem(images) - 0.5
        pooled = F.max_pool2d(stem, 3, stride=1, padding=1)
        return torch.cat([self.one(stem), self.five(stem), pooled, self.tall(stem)], 1)


class Strided(Seen):
    """Shortcuts without weights: every second position, and channels of zeros."""

    def __init__(self) -> None:
        super().__init__(8)
        self.one = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.two = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.norm = nn.BatchNorm2d(8)

    def body(self, images: Tensor) -> Tensor:
        short = F.pad(images[:, :, ::2, ::2], (0, 0, 0, 0, 2, 3))
        return F.relu(self.norm(self.two(F.relu(self.one(images)))) + short, inplace=True)


class PaddedBefore(Seen):
    """As in TensorFlow: more padding on one side, and convolutions written as functions."""

    def __init__(self) -> None:
        super().__init__(6)
        self.pad = nn.ZeroPad2d((0, 1, 0, 1))
        self.weight = nn.Parameter(torch.randn(6, 3, 3, 3) / 4)
        self.norm = nn.BatchNorm2d(6)
        self.deep = nn.Conv2d(6, 6, 3, groups=6, padding=1, bias=False)

    def body(self, images: Tensor) -> Tensor:
        values = F.conv2d(self.pad(images), self.weight, None, 2)
        values = F.hardtanh(self.norm(values), 0, 6)
        return F.avg_pool2d(self.deep(values), 3, stride=2, padding=1)


class Squeezed(Seen):
    """Squeeze and excite spreads a change over the whole map."""

    def __init__(self) -> None:
        super().__init__(8)
        self.one, self.two = nn.Conv2d(3, 8, 5, padding=2), nn.Conv2d(8, 8, 3, padding=1)
        self.gate = nn.Conv2d(8, 8, 1)

    def body(self, images: Tensor) -> Tensor:
        values = self.two(torch.relu(self.one(images)))
        values = values * torch.sigmoid(self.gate(F.adaptive_avg_pool2d(values, 1)))
        return self.two(values)


class RoundedUp(Seen):
    """Pools that hang over the border, and sizes that are read from the maps."""

    def __init__(self) -> None:
        super().__init__(8)
        self.one, self.two = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, padding=1)
        self.pool = nn.MaxPool2d(3, stride=2, ceil_mode=True)

    def body(self, images: Tensor) -> Tensor:
        values = self.pool(self.two(self.one(images)))
        return values * (1 / values.size(1))

    def forward(self, images: Tensor) -> Tensor:
        values = self.body(images)
        values = F.avg_pool2d(values, values.size()[2:])
        return self.head(values.view(images.size(0), -1))


def mobile() -> nn.Module:
    parts = [nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU6(inplace=True)]
    blocks = [InvertedResidual(8, 8, 1, 2), InvertedResidual(8, 12, 2, 3)]
    return nn.Sequential(*parts, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 4))


def resnet() -> nn.Module:
    """torchvision's, with its padded maximum; one block in each stage."""
    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=7)


def dense() -> nn.Module:
    return DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8, num_classes=5)


MODELS: list[tuple[Callable[[], nn.Module], tuple[int, int]]] = [
    (Residual, (12, 12)),
    (Branches, (19, 14)),
    (Strided, (21, 24)),
    (PaddedBefore, (32, 28)),
    (Squeezed, (24, 24)),
    (RoundedUp, (20, 23)),
    (mobile, (40, 36)),
    (resnet, (48, 48)),
    (dense, (64, 64)),
]


def trained_looking(model: nn.Module) -> nn.Module:
    """Random batch-norm statistics, in eval mode."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.rand(module.num_features, generator=generator) - 0.5
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
    return model.eval()


def changes(size: tuple[int, int]) -> Query:
    """All corners and borders first, then random places; many in one place."""
    height, width = size
    rng = np.random.default_rng(0)
    edge = [(r, c) for r in (0, 1, height - 2, height - 1) for c in (0, 1, width - 2, width - 1)]
    inside = rng.integers(0, size, (CHANGES - 100, 2))
    crowd = np.repeat([[height // 2, width // 2]], 100, 0)  # a group with windows of its own
    places = np.concatenate([edge, inside, crowd])[:, None]
    colours = rng.integers(0, 256, (len(places), 1, 3)).astype(np.uint8)
    base = rng.integers(0, 256, (*size, 3)).astype(np.uint8)
    return Query(base, places.astype(np.int64), colours)


@pytest.mark.spec("OM-6")
@pytest.mark.parametrize(("make", "size"), MODELS, ids=lambda part: getattr(part, "__name__", ""))
def test_windows_give_what_plain_passes_give(
    make: Callable[[], nn.Module], size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    model = trained_looking(make())
    evaluator = Evaluator(model, (*size, 3), "float32")
    assert evaluator.incremental
    query = changes(size)
    plain = evaluator.plain(paint(query.base, query.positions, query.colours))
    found = evaluator.evaluate(query.base, query.positions, query.colours)
    assert np.abs(found - plain).max() < 1e-4 * max(1.0, np.abs(plain).max())
    # Different changes do differ.
    assert np.abs(plain - plain[0]).max() > 1e-4


@pytest.mark.spec("OM-6")
@pytest.mark.parametrize(
    ("make", "whole"),
    [(Squeezed, 0), (mobile, 2), (resnet, 2), (Branches, 0)],
    ids=lambda part: getattr(part, "__name__", ""),
)
def test_only_what_is_no_window_ends_them(make: Callable[[], nn.Module], whole: int) -> None:
    model = fold_batch_norm(trained_looking(make()))
    steps = graph_of(model, (48, 48, 3), torch.device("cpu"), torch.float32)
    assert steps is not None
    kinds = [step.kind for step in steps]
    assert kinds.index(Kind.MEAN) == max(kinds.index(Kind.WINDOW), kinds.index(Kind.MEAN))
    assert Spread(steps).end == kinds.index(Kind.WHOLE) == len(kinds) - max(whole, 1)


def test_a_pixel_reaches_what_a_gradient_reaches() -> None:
    torch.manual_seed(0)
    model = fold_batch_norm(trained_looking(resnet()))
    steps = graph_of(model, (64, 64, 3), torch.device("cpu"), torch.float32)
    assert steps is not None
    spread = Spread(steps)
    base, changed = torch.rand(2, 1, 3, 64, 64)
    row, col = 21, 34
    other = base.clone()
    other[..., row, col] = changed[..., row, col]
    before, after = {0: base}, {0: other}
    with torch.inference_mode():
        for index, step in enumerate(steps[: spread.end]):
            if index:
                before[index] = step.run(*(before[i].clone() for i in step.inputs))
                after[index] = step.run(*(after[i].clone() for i in step.inputs))
            differs = (before[index] != after[index]).any(1)[0].nonzero()
            for axis, at in enumerate((row, col)):
                first, last = spread.spans[index][axis]
                assert first[at] <= differs[:, axis].min()
                assert differs[:, axis].max() <= last[at]


def test_multiplications_left() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Flatten(), nn.LazyLinear(2)).eval()
    model(torch.zeros(1, 3, 8, 8))
    steps = graph_of(fold_batch_norm(model), (8, 8, 3), torch.device("cpu"), torch.float32)
    assert steps is not None
    assert [step.multiplications for step in steps] == [0, 108 * 64, 0, 512]
    side = (6 * 3 + 2 * 2) / 64  # 3 of 8 positions, 2 along the border
    spread, dense = Spread(steps), 108 * 64 + 512
    assert spread.left() == pytest.approx((108 * 64 * side**2 + 512) / dense)
    corner = torch.tensor([[0, 7], [7, 7]])
    assert spread.left(corner) == pytest.approx((108 * 4 + 512) / dense)


class Attentive(Seen):
    def __init__(self) -> None:
        super().__init__(3)

    def body(self, images: Tensor) -> Tensor:
        return images.flatten(2).softmax(-1).view_as(images)


def test_nothing_is_cut_where_windows_do_not_pay() -> None:
    evaluator = Evaluator(Attentive().eval(), (8, 8, 3), "float32")
    assert not evaluator.incremental
    wide = nn.Sequential(nn.Conv2d(3, 4, 9, padding=4), nn.Flatten(), nn.LazyLinear(2)).eval()
    wide(torch.zeros(1, 3, 6, 6))
    assert not Evaluator(wide, (6, 6, 3), "float32").incremental
