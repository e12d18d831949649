"""What a certificate costs beside the bare forward passes it rests on, and how it grows."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.report import limited, machine, row
from ndcore.bundles.bundle import Bundle
from ndcore.certificate import certify
from ndcore.networks.forward import to_images

ROUNDS = 5
BATCH = 64
LIMIT_S = 1.2
SIDES = (32, 64, 96)
WIDE = 64  # from this side on few windows are cut short by the border


def run(bundle: Bundle, n: int | None = None) -> dict[str, Any]:
    """Time certificates of `n` seeded noise images, and of growing ones by a small network."""
    rounds = n or ROUNDS
    height, width = bundle.shape[:2]
    images = _noise(rounds, bundle.shape)
    one = _median(bundle.model, images)
    bare = float(np.median([_bare(bundle.model, image) for image in images]))
    small = _small()
    # Other work on this machine makes the clock on the wall no measure of growth.
    sides = {
        side: _median(small, _noise(rounds, (side, side, 3)), time.process_time) for side in SIDES
    }
    wide = sides[WIDE] / WIDE**2
    rows = [
        limited(f"certificate of one {height}x{width} image", one, "s", LIMIT_S),
        row("bare float32 forward of every repaired image", bare, "s"),
        row(
            "the certificate",
            one,
            "s",
            "bare float32 forward of every repaired image",
            one / bare,
        ),
        *(
            row(
                f"processor time by four small convolutions, {side}x{side} pixels, per pixel",
                1e6 * spent / side**2,
                "us",
                f"a pixel of {WIDE}x{WIDE}",
                spent / side**2 / wide,
            )
            for side, spent in sides.items()
        ),
    ]
    return {"name": "certificate", "machine": machine(), "rows": rows}


def _small() -> nn.Module:
    """A repaired pixel reaches 18 x 18 pixels at most; only the last map is run as a whole."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels, units in ((3, 16), (16, 16)):
        layers += [nn.Conv2d(channels, units, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    for _ in range(2):
        layers += [nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()]
    last = nn.Linear(16, 10)
    layers += [nn.AdaptiveMaxPool2d(1), nn.Flatten(), last]
    with torch.no_grad():
        last.weight *= 1000  # no image is near a tie, which would end its certificate at once
    return nn.Sequential(*layers).eval().requires_grad_(False)


def _noise(count: int, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)


def _median(
    model: nn.Module, images: NDArray[np.uint8], clock: Callable[[], float] = time.perf_counter
) -> float:
    certify(model, images[:1])  # warms up
    spent = []
    for image in images:
        started = clock()
        certify(model, image[None])
        spent.append(clock() - started)
    return float(np.median(spent))


@torch.inference_mode()
def _bare(model: nn.Module, image: NDArray[np.uint8]) -> float:
    batch = to_images(np.repeat(image[None], BATCH, 0))
    batch = batch.contiguous(memory_format=torch.channels_last)
    started = time.perf_counter()
    for _ in range(-(-image.shape[0] * image.shape[1] // BATCH)):
        model(batch)
    return time.perf_counter() - started
