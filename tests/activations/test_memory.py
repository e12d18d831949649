"""Distributions of a data set whose activations fit in no memory, under a real kernel limit.

A child process counts a synthetic data set whose activations (all positions, float32) are ten
times all the memory that the process may have. Its answer is known without a network.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.activations import distributions as counting
from ndcore.activations import reading as inspection
from ndcore.activations.capture import capture
from ndcore.activations.distributions import count_distributions
from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.reading import image_bytes, images_within, read_source
from ndcore.data.sources import ImageSource
from ndcore.networks.forward import to_images

ROOT = Path(__file__).resolve().parents[2]
MB = 2**20
SIDE, UNITS, CLASSES = 64, 64, 4
LAYERS = ("wide", "corner")
RAW = 4 * (SIDE * SIDE * (1 + UNITS) + UNITS)
TIMES = 10
# Beyond what the process has once its libraries are loaded.
ROOM = 192 * MB
CHILD_S = 300


class Corner(nn.Module):
    """The first position of every map: (N, units, H, W) -> (N, units)."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps[:, :, 0, 0]


def wide_model() -> nn.Sequential:
    """64 maps of 64 x 64 per image: unit u is max(0, (u - 31) x + u % 3) at a pixel x.

    Weights and pixels are whole numbers and a map has a power of two of positions, so that every
    value and every mean is exact in float32, in whatever order it is summed up.
    """
    conv = nn.Conv2d(1, UNITS, 1)
    slope, base = slopes_and_bases()
    conv.weight.data = torch.from_numpy(slope).view(UNITS, 1, 1, 1)
    conv.bias.data = torch.from_numpy(base)
    wide = nn.Sequential(conv, nn.ReLU(inplace=True))
    return nn.Sequential(OrderedDict(wide=wide, corner=Corner())).eval()


def slopes_and_bases() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    units = np.arange(UNITS)
    return (units - 31).astype(np.float32), (units % 3).astype(np.float32)


def white_pixels(images: int) -> NDArray[np.int64]:
    """How many pixels of each image are white: the more, the higher its class."""
    number = np.arange(images)
    return number % CLASSES * 700 + number % 1201


def wide_source(images: int) -> ImageSource:
    """Black images whose first pixels are white."""
    white = white_pixels(images)

    def read(i: int) -> NDArray[np.uint8]:
        flat = np.zeros(SIDE * SIDE, np.uint8)
        flat[: white[i]] = 255
        return flat.reshape(SIDE, SIDE, 1)

    return ImageSource(
        name="white",
        classes=tuple(str(label) for label in range(CLASSES)),
        ids=tuple(f"white:{i}" for i in range(images)),
        labels=np.arange(images, dtype=np.int64) % CLASSES,
        parts=("",) * images,
        lossless=np.ones(images, np.bool_),
        shape=(SIDE, SIDE, 1),
        read=read,
    )


def known_values(images: int) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Every unit value of every image by arithmetic: (layer, reduction) -> (images, units)."""
    slope, base = slopes_and_bases()
    on, off = np.maximum(slope + base, 0), np.maximum(base, 0)
    share = (white_pixels(images) / SIDE**2)[:, None]
    mean = (share * on + (1 - share) * off).astype(np.float32)
    highest = np.where(share > 0, np.maximum(on, off), off).astype(np.float32)
    corner = np.where(share > 0, on, off).astype(np.float32)
    return {("wide", "mean"): mean, ("wide", "max"): highest, ("corner", "value"): corner}


def limit_memory() -> int:
    """Bound the process's memory to what it has now and `ROOM`; returns the limit in bytes.

    RLIMIT_DATA: all private writable memory, heap and mappings alike, since Linux 4.7, and any
    user may lower it. RLIMIT_AS would also count libraries and address space that is reserved
    but never touched, gigabytes with torch; RLIMIT_RSS does nothing.
    """
    status = Path("/proc/self/status").read_text()
    has = max(_kilobytes(status, "VmData"), _kilobytes(status, "VmRSS")) * 1024
    limit = has + ROOM
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    return limit


def _kilobytes(status: str, name: str) -> int:
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1])


def child(mode: str, target: str) -> None:
    """Count under the limit and write counts and ranges to `target`, or hold everything."""
    torch.set_num_threads(2)
    model = wide_model()
    read_source(model, LAYERS, wide_source(8), range(8), batch=4)  # loads what is loaded late
    limit = limit_memory()
    images = -(-TIMES * limit // RAW)
    source, members = wide_source(images), range(images)
    report: dict[str, object] = {"limit": limit, "images": images, "raw": RAW * images}
    if mode == "count":
        found = count_distributions(model, LAYERS, source, members)
        arrays = {
            f"{layer}/{reduction}/{name}": getattr(histograms, name)
            for (layer, reduction), histograms in found.items()
            for name in ("counts", "lo", "hi")
        }
        np.savez(target, **arrays)
    else:
        held: list[Tensor] = []
        try:
            for start in range(0, images, 64):
                with torch.inference_mode(), capture(model, ["wide"], Tensor.clone) as kept:
                    model(to_images(source.pixels(members[start : start + 64])))
                held.append(kept["wide"])
        except (MemoryError, RuntimeError) as error:
            report["failed"] = f"{type(error).__name__}: {error}"[:200]
            report["held"] = sum(part.nbytes for part in held)
    report["peak"] = _kilobytes(Path("/proc/self/status").read_text(), "VmHWM") * 1024
    print(json.dumps(report))


def run_child(mode: str, target: Path) -> dict[str, int]:
    done = subprocess.run(
        [sys.executable, __file__, mode, str(target)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=CHILD_S,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    print(done.stdout)
    return json.loads(done.stdout)


@pytest.mark.spec("ND-16")
def test_ten_times_the_memory_is_counted_exactly(tmp_path: Path) -> None:
    report = run_child("count", tmp_path / "found.npz")
    assert report["raw"] >= TIMES * report["limit"]
    assert report["peak"] < report["limit"]
    labels = np.arange(report["images"]) % CLASSES
    with np.load(tmp_path / "found.npz") as arrays:
        for (layer, reduction), values in known_values(report["images"]).items():
            counts, lo, hi = (arrays[f"{layer}/{reduction}/{n}"] for n in ("counts", "lo", "hi"))
            wanted = ClassHistograms(np.zeros_like(counts), lo, hi).update(values, labels)
            np.testing.assert_array_equal(counts, wanted.counts)
            assert (lo <= 0).all()
            assert (hi > np.quantile(values, 0.9, axis=0)).all()


def test_the_limit_bites(tmp_path: Path) -> None:
    """Control: the same child cannot keep the activations of all images."""
    report = run_child("hold", tmp_path / "unused.npz")
    assert "failed" in report, report
    assert report["held"] < report["limit"]
    assert report["peak"] < report["limit"]


def test_the_network_of_these_tests_is_the_arithmetic() -> None:
    found = read_source(wide_model(), LAYERS, wide_source(9), range(9))
    for key, values in known_values(9).items():
        np.testing.assert_array_equal(found.activations[key], values)


def test_what_an_image_costs_is_measured() -> None:
    cost = image_bytes(wide_model(), LAYERS, (SIDE, SIDE, 1))
    assert cost.raw == RAW
    assert cost.reduced == 4 * 3 * UNITS
    assert cost.batch == inspection.BATCH_BYTES // RAW


@pytest.mark.parametrize(
    ("budget", "each", "images"), [(100, 10, 10), (100, 1, 64), (100, 101, 1), (100, 0, 64)]
)
def test_images_within_a_budget(budget: int, each: int, images: int) -> None:
    assert images_within(budget, each, 64) == images


def test_the_size_of_batches_and_chunks_changes_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    model, source = wide_model(), wide_source(50)
    whole = count_distributions(model, LAYERS, source, range(50))
    monkeypatch.setattr(inspection, "BATCH_BYTES", 3 * RAW)
    monkeypatch.setattr(counting, "CHUNK_BYTES", 7 * 4 * 3 * UNITS)
    batches: list[int] = []
    parts = count_distributions(model, LAYERS, source, range(50), on_batch=batches.append)
    assert max(batches) == 3
    assert sum(batches) == 50
    assert len(batches) == 7 * 3 + 1  # chunks of 7 as 3 + 3 + 1, and one image left
    for key, histograms in whole.items():
        assert parts[key].counts.tobytes() == histograms.counts.tobytes()
        assert parts[key].lo.tobytes() == histograms.lo.tobytes()
        assert parts[key].hi.tobytes() == histograms.hi.tobytes()


if __name__ == "__main__":
    child(*sys.argv[1:])
