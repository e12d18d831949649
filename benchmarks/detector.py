"""What a verdict costs beside the bare forward passes it rests on, in one run.

One image is judged with and without the repair of every pixel; 10,000 images are scored against
all classes from activations that were read before; every tab of the page runs again with nothing
changed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.browser import serving
from benchmarks.report import Row, limited, machine, row
from benchmarks.serving.page_reruns import rerun_ms
from ndcore.activations.divergence import top_mean
from ndcore.bundles.bundle import Bundle
from ndcore.detectors import load_detector
from ndcore.detectors.repair import repair
from ndcore.detectors.scoring.class_tables import ClassTables
from ndcore.networks.evaluator import evaluator_for
from ndcore.networks.forward import to_images

IMAGES = 10_000
BATCH = 64
ROUNDS = 5
PAGE, TABS = (
    "Divergence_Detector",
    (
        "One image",
        "Many images",
        "The study",
        "Hypothesis desk",
    ),
)
RERUN_LIMIT_MS = 100


@torch.inference_mode()
def run(bundle: Bundle, n: int | None = None) -> dict[str, Any]:
    """Time the parts on seeded noise images; `n` images are scored from cached activations."""
    n = n or IMAGES
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (ROUNDS, *bundle.shape), dtype=np.uint8)
    detector = load_detector(bundle)
    evaluator = evaluator_for(bundle.model, bundle.shape)

    def forward(index: int) -> None:
        bundle.model(to_images(pixels[index : index + 1]))

    def everywhere(index: int) -> None:
        height, width = bundle.shape[:2]
        batch = to_images(np.repeat(pixels[index : index + 1], BATCH, 0))
        for _ in range(-(-height * width // BATCH)):
            bundle.model(batch.contiguous(memory_format=torch.channels_last))

    parts: dict[str, Callable[[int], object]] = {
        "forward": forward,
        "verdict": lambda index: detector.detect(pixels[index : index + 1]),
        "everywhere": everywhere,
        "repair": lambda index: repair(evaluator, pixels[index : index + 1]),
    }
    spent = {name: _median(work) for name, work in parts.items()}
    scoring = _scoring(bundle, n, rng)
    rows = [
        row("bare forward of one image", 1000 * spent["forward"], "ms"),
        row(
            "verdict on one image, without repair",
            1000 * spent["verdict"],
            "ms",
            "bare forward of one image",
            spent["verdict"] / spent["forward"],
        ),
        row("bare float32 forward of every repaired image", spent["everywhere"], "s"),
        row(
            "repair of every pixel of one image",
            spent["repair"],
            "s",
            "bare float32 forward of every repaired image",
            spent["repair"] / spent["everywhere"],
        ),
        *(
            row(f"{name} of {n:,} images against all {len(bundle.classes)} classes", seconds, "s")
            for name, seconds in scoring.items()
        ),
        *asyncio.run(_reruns(bundle.name)),
    ]
    return {"name": "detector", "machine": machine(), "rows": rows}


async def _reruns(bundle: str) -> list[Row]:
    found = []
    with serving("Home.py") as (address, process):
        for tab in TABS:
            link = {"bundle": bundle, "detector_tab": tab}
            first, again = await rerun_ms(address, process.pid, PAGE, link)
            found.append(row(f"page, {tab}: first run", first, "ms of CPU"))
            words = f"page, {tab}: again, nothing changed"
            found.append(limited(words, again, "ms of CPU", RERUN_LIMIT_MS))
    return found


def _scoring(bundle: Bundle, n: int, rng: np.random.Generator) -> dict[str, float]:
    """Seconds for the layer scores of n images against every class, tables included."""
    spent = {"Wasserstein-1": 0.0, "surprisal": 0.0}
    for layer in bundle.layers:
        histograms = bundle.distributions(layer, bundle.reductions(layer)[-1])
        lo, hi = histograms.lo.astype(np.float64), histograms.hi.astype(np.float64)
        values = rng.uniform(lo, np.maximum(hi, lo + 1e-6), (n, histograms.units))
        activations = np.asarray(values, np.float32)
        started = time.perf_counter()
        tables = ClassTables(histograms)
        made = time.perf_counter() - started
        scores: dict[str, Callable[[NDArray[np.floating]], NDArray[np.floating]]] = {
            "Wasserstein-1": tables.excess_w1,
            "surprisal": tables.surprisal,
        }
        for name, score in scores.items():
            started = time.perf_counter()
            for start in range(0, n, BATCH):
                found = score(activations[start : start + BATCH])
                for label in range(len(bundle.classes)):
                    top_mean(found[..., label])
            spent[name] += made + time.perf_counter() - started
    return spent


def _median(work: Callable[[int], object]) -> float:
    work(0)  # warms up
    times = []
    for index in range(ROUNDS):
        started = time.perf_counter()
        work(index)
        times.append(time.perf_counter() - started)
    return float(np.median(times))
