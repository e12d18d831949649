"""Queries per second on networks of several builds, beside what their windows allow.

A query is a changed pixel of an image, computed only where it can be seen. The multiplications
that are left bound what can be gained; the bare float32 forward pass of whole images, in its
fastest form and measured in the same run, is what it is gained over. The weights are random, as
they have no part in the speed; batch norms are settled on noise, else deep logits were all but 0.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torchvision
from torch import nn
from torchvision.models.efficientnet import EfficientNet
from torchvision.models.resnet import ResNet
from torchvision.ops.misc import SqueezeExcitation

from benchmarks.attacking.bare import bare_ways, fastest, rate
from benchmarks.report import Row, machine, row
from ndcore.attacks import AttackConfig, attack_images
from ndcore.attacks.engines.exhaustive import CHUNK
from ndcore.attacks.engines.grid import Grid
from ndcore.data.pixels import paint
from ndcore.networks.evaluator import Evaluator, Query
from ndcore.networks.forward import forward, to_images
from ndcore.steps import Step, in_parts, no_step

ROUNDS = 3
LOOKS = 1
CHUNKS = 6  # of the grid, evenly spread over it
CHECKED = 512  # changes that are also computed on whole images, corners and edges among them
SETTLING = 8  # images that batch norms are settled on
FAST_IMAGES = 10


@dataclass(frozen=True)
class Network:
    """One to measure.

    Attributes:
        name: as told.
        make: gives it.
        side: of its images, in pixels.
    """

    name: str
    make: Callable[[], nn.Module]
    side: int

    @property
    def batches(self) -> tuple[int, ...]:
        """Of the bare passes."""
        return (64, 256) if self.side < 100 else (8, 32)


def cifar_resnet18() -> ResNet:
    """With the stem for small images: a 3x3 convolution and no pooling."""
    model: ResNet = torchvision.models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def efficientnet_lite0() -> EfficientNet:
    """EfficientNet-B0 without squeeze and excite and with ReLU6 is Lite0."""
    model: EfficientNet = torchvision.models.efficientnet_b0()
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, SqueezeExcitation):
                setattr(module, name, nn.Identity())
            elif isinstance(child, nn.SiLU):
                setattr(module, name, nn.ReLU6(inplace=True))
    return model


NETWORKS = (
    Network("resnet18, 3x3 stem, 32 px", cifar_resnet18, 32),
    Network("resnet18, 32 px", lambda: torchvision.models.resnet18(num_classes=10), 32),
    Network("resnet18, 224 px", torchvision.models.resnet18, 224),
    Network("EfficientNet-Lite0, 224 px", efficientnet_lite0, 224),
    Network("MobileNetV2, 224 px", torchvision.models.mobilenet_v2, 224),
    Network("VGG16, 224 px", torchvision.models.vgg16, 224),
)


def run(n: int | None = None, *, on_step: Step = no_step) -> dict[str, Any]:
    """Measure every network.

    Args:
        n: images of 224 pixels that `fast` attacks on each network (default 10).
        on_step: called with (what is being done, done, total).
    """
    rows: list[Row] = []
    for done, network in enumerate(NETWORKS):
        on_step(network.name, done, len(NETWORKS))
        rows += _rows(network, n or FAST_IMAGES)
    return {"name": "attack", "machine": machine(), "rows": rows}


def _rows(network: Network, images: int) -> list[Row]:
    torch.manual_seed(0)
    shape = (network.side, network.side, 3)
    model = _settled(network.make(), shape)
    evaluator = Evaluator(model, shape, "float32")
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, shape).astype(np.uint8)
    queries = _grid(evaluator, base)
    ways = bare_ways(copy.deepcopy(model), shape, network.batches, max(network.batches))
    contest = {name: ways[name] for name in fastest(ways, LOOKS, 2)}
    contest["ours"] = lambda: [evaluator.run([query]) for query in queries], CHUNKS * CHUNK
    contest["ours"][0]()
    rates: dict[str, list[float]] = {name: [] for name in contest}
    for _ in range(ROUNDS):
        for name, (work, count) in contest.items():
            rates[name].append(rate(work, count))
    median = {name: float(np.median(found)) for name, found in rates.items()}
    ours = median.pop("ours")
    best = max(median, key=median.__getitem__)
    asked = np.concatenate([query.positions[:, 0] for query in queries])
    gained, bound = ours / median[best], 1 / evaluator.left(asked)
    rows = [
        row(f"{network.name}: fastest bare forward, {best}", median[best], "images/s"),
        row(f"{network.name}: queries", ours, "queries/s", "the bare forward", gained),
        row(f"{network.name}: bound", bound, "times the bare forward"),
        row(f"{network.name}: reached", gained, "times", "the bound", gained / bound),
        row(
            f"{network.name}: largest difference of {CHECKED} changes, per unit of logit",
            _difference(evaluator, base),
            "",
        ),
    ]
    if network.side > 100:
        seconds, paid = _fast(model, shape, images)
        rows.append(row(f"{network.name}: fast on {images} images, {paid:,} queries", seconds, "s"))
    return rows


def _grid(evaluator: Evaluator, base: np.ndarray[Any, np.dtype[np.uint8]]) -> list[Query]:
    """Chunks of the whole grid, as `exhaustive` asks for them."""
    points = Grid().points(base.shape)
    points = points[evaluator.order(points[:, :2])]
    middles = (np.arange(CHUNKS) + 0.5) / CHUNKS  # as the first and last ones are the cheapest
    starts = (middles * (len(points) - CHUNK)).astype(int)
    colours = Grid().colours(base.shape[2])
    parts = [points[start : start + CHUNK] for start in starts]
    return [Query(base, part[:, None, :2], colours[part[:, 2]][:, None]) for part in parts]


def _settled(model: nn.Module, shape: tuple[int, int, int]) -> nn.Module:
    """In eval mode, with the statistics of noise in its batch norms."""
    pixels = np.random.default_rng(3).integers(0, 256, (SETTLING, *shape)).astype(np.uint8)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0  # the last batch alone
    with torch.no_grad():
        model.train()(to_images(pixels))
    return model.eval()


def _difference(evaluator: Evaluator, base: np.ndarray[Any, np.dtype[np.uint8]]) -> float:
    """The largest between windows and plain passes, as a share of the largest logit.

    Raises:
        RuntimeError: the changes move no logit by more than that, so that nothing is compared.
    """
    rng = np.random.default_rng(1)
    size = np.array(base.shape[:2])
    edges = np.array([(row, col) for row in (0, 1, -2, -1) for col in (0, 1, -2, -1)]) % size
    inside = rng.integers(0, size, (CHECKED - len(edges), 2))
    places = np.concatenate([edges, inside])[:, None]
    colours = rng.integers(0, 256, (CHECKED, 1, base.shape[2])).astype(np.uint8)
    found = evaluator.evaluate(base, places, colours)
    plain = np.concatenate(
        [
            evaluator.plain(paint(base, places[part], colours[part]))
            for part in in_parts(CHECKED, 16)
        ]
    )
    error = float(np.abs(found - plain).max())
    if np.ptp(plain, 0).max() <= error:
        raise RuntimeError("one pixel moves no logit of this network")
    return error / float(np.abs(plain).max())


def _fast(model: nn.Module, shape: tuple[int, int, int], images: int) -> tuple[float, int]:
    """Seconds, set-up included, and queries of an attack on images."""
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (images, *shape)).astype(np.uint8)
    labels = np.concatenate([forward(model, image[None]).argmax(1).numpy() for image in pixels])
    config = AttackConfig("fast", precision="float32")
    ids = [str(index) for index in range(images)]
    started = time.perf_counter()
    results = attack_images(model, pixels, labels, ids, config)
    return time.perf_counter() - started, sum(result.queries for result in results)
