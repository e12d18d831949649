"""Recording a training run, and opening what was recorded.

The network is `lenet`, trained for five epochs of the 45-epoch recipe on drawn images, so that
recorded epochs of every kind alternate with training in one run; both are then counted up to 45
epochs, training also to 45,000 images. The rest of the 45-epoch recording is filled with copies
of recorded epochs of the same kind, and opened as the page opens it: the whole run, one layer
with its clusters, the facets of one unit. Given a bundle's images, it also tells how close the
distances of units that clusters are made from are to the exact ones.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from benchmarks.report import Row, limited, machine, row
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.data.catalog import open_data
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError, StoppedError
from ndcore.evolution import EvolutionRun, cut_patches, facets_of, load_run
from ndcore.evolution.metrics import blocks, unit_distances
from ndcore.evolution.recording.recorder import BLOCKS, Recorder, by_class, chosen_epochs
from ndcore.evolution.recording.watch import values_of_layers, watched_layers
from ndcore.evolution.store import FOLDER, epoch_file
from ndcore.networks.registry import ModelSpec, model_spec
from ndcore.steps import Step, no_step
from ndcore.training.loop import train
from ndcore.training.recipes import recipe

NETWORK = "lenet"
EPOCHS = 45
TRAINED = 5  # its epochs 1, 2 and 5 keep details, 3 and 4 do not
FULL = 45_000
DEFAULT_N = 10_000
REPEATS = 5
PER_CLASS = 64
RECORDING_LIMIT = 0.15
DISK_LIMIT_MB = 10
OPEN_LIMIT_S, LAYER_LIMIT_S, FACETS_LIMIT_S = 1.5, 0.5, 5.0


class _Timed(Recorder):
    """A recorder that notes what it takes, and what training takes between its calls."""

    def __init__(self, run: Path) -> None:
        super().__init__(run)
        self.started = 0.0
        self.recorded: dict[int, float] = {}
        self.trained: dict[int, float] = {}
        self.model: nn.Module = nn.Identity()
        self.curves: dict[str, float] = {}
        self._since = 0.0

    def start(
        self, run: dict[str, Any], model: nn.Module, source: ImageSource, members: list[int]
    ) -> None:
        """Note the time, else as `Recorder`."""
        began = time.perf_counter()
        super().start(run, model, source, members)
        self._since = time.perf_counter()
        self.started = self._since - began

    def epoch(self, number: int, model: nn.Module, curves: dict[str, float]) -> None:
        """Note both times, else as `Recorder`."""
        began = time.perf_counter()
        super().epoch(number, model, curves)
        ended = time.perf_counter()
        self.trained[number], self.recorded[number] = began - self._since, ended - began
        self.model, self.curves, self._since = model, curves, ended


def run(
    n: int | None = None, bundle: str = "", data: str | None = None, *, on_step: Step = no_step
) -> dict[str, Any]:
    """Run the benchmark.

    Args:
        n: training images (default 10,000, as many as are searched for top patches).
        bundle: whose network the estimated distances are measured on.
        data: its images; without them that is left out.
        on_step: called with (what is being done, done, total).

    Raises:
        BadRequestError: too few images.
    """
    images = DEFAULT_N if n is None else n
    if images < 200:
        raise BadRequestError(f"the number of images must be at least 200, got {images}")

    spec = model_spec(NETWORK)
    source = _drawn(spec, images)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        on_step("training and recording", 0, 0)
        recorder, members = _train(spec, source, place, on_step)
        rows = _cost(recorder, members)
        on_step("opening", 0, 0)
        _fill(place / FOLDER)
        size = sum(path.stat().st_size for path in (place / FOLDER).iterdir())
        rows.append(limited(f"{EPOCHS}-epoch recording on disk", size / 1e6, "MB", DISK_LIMIT_MB))
        rows += _reading(place, source)
    if data is not None:
        on_step("distances", 0, 0)
        rows += _distances(load_bundle(bundle), data)
    return {
        "name": "evolution",
        "machine": machine(),
        "network": NETWORK,
        "images": members,
        "rows": rows,
    }


def _drawn(spec: ModelSpec, images: int) -> ImageSource:
    """Enough coarse random patterns, a colour cast per class, to train on `images` of them."""
    # What `make_splits` holds out: 5,000 images, or 40% where that is less.
    count = images + min(5000, -(-images * 2 // 3))
    rng = np.random.default_rng(0)
    assert spec.shape
    height, width, channels = spec.shape
    labels = rng.permutation(count).astype(np.int64) % len(spec.classes)
    cast = rng.integers(0, 128, (len(spec.classes), 1, 1, channels))
    coarse = rng.integers(0, 128, (count, height // 4, width // 4, channels)) + cast[labels]
    small = coarse.astype(np.uint8)
    return ImageSource(
        name="drawn",
        classes=spec.classes,
        ids=tuple(f"drawn:{i}" for i in range(count)),
        labels=labels,
        parts=("",) * count,
        lossless=np.ones(count, np.bool_),
        shape=spec.shape,
        read=lambda i: small[i].repeat(4, axis=0).repeat(4, axis=1),
    )


def _train(
    spec: ModelSpec, source: ImageSource, place: Path, step: Callable[[str, int, int], None]
) -> tuple[_Timed, int]:
    """Five epochs and the last one's recording; the recorder, and how many images it trained on."""
    recorder = _Timed(place)
    done: list[dict[str, Any]] = []

    def on_epoch(row: dict[str, Any]) -> None:
        done.append(row)
        step("training and recording", len(done), TRAINED)

    with suppress(StoppedError):
        train(
            spec,
            source,
            recipe(NETWORK),
            place,
            on_epoch=on_epoch,
            should_stop=lambda: len(done) == TRAINED,
            recorder=recorder,
        )
    recorder.epoch(EPOCHS, recorder.model, recorder.curves)
    return recorder, load_run(place).about["reference"]


def _cost(recorder: _Timed, members: int) -> list[Row]:
    """What training and recording take per epoch, and in the whole run."""
    warm = [recorder.trained[epoch] for epoch in range(2, TRAINED + 1)]
    training = float(np.median(warm)) * FULL / members
    plain = float(np.mean([recorder.recorded[epoch] for epoch in (3, 4)]))
    detailed = float(np.mean([recorder.recorded[epoch] for epoch in (2, 5)]))
    last = recorder.recorded[EPOCHS]
    chosen = len(chosen_epochs(EPOCHS))
    whole = recorder.started + (EPOCHS - chosen) * plain + (chosen - 1) * detailed + last
    against = f"training an epoch of {FULL:,} images"
    share = whole / (EPOCHS * training)
    return [
        row(f"training an epoch of {FULL:,} images, counted up from {members:,}", training, "s"),
        row("recording an epoch", plain, "s", against, plain / training),
        row("recording an epoch with details", detailed, "s", against, detailed / training),
        row("recording the last epoch", last, "s", against, last / training),
        row(f"recording {EPOCHS} epochs", whole, "s", f"training {EPOCHS} epochs", share),
        limited("share of training", share, "", RECORDING_LIMIT),
    ]


def _fill(folder: Path) -> None:
    """Copies of recorded epochs in the place of those that were not trained."""
    chosen = chosen_epochs(EPOCHS)
    for epoch in range(TRAINED + 1, EPOCHS):
        kept = epoch in chosen
        of = TRAINED if kept else TRAINED - 1
        shutil.copy(epoch_file(folder, "epoch", of), epoch_file(folder, "epoch", epoch))
        if kept:
            shutil.copy(epoch_file(folder, "detail", of), epoch_file(folder, "detail", epoch))


def _reading(place: Path, source: ImageSource) -> list[Row]:
    """Seconds of the slowest of several, each on a run opened anew."""
    shown = load_run(place)
    opening = [_seconds(lambda: _overview(load_run(place))) for _ in range(REPEATS)]
    layers = [_seconds(partial(_layer, load_run(place), each.name)) for each in shown.layers]
    some = shown.layers[:: max(1, len(shown.layers) // REPEATS)]
    facets = [_seconds(partial(_facets, load_run(place), each.name, source)) for each in some]
    return [
        limited(
            f"opening a {EPOCHS}-epoch run, slowest of {REPEATS}", max(opening), "s", OPEN_LIMIT_S
        ),
        limited("a layer's units and clusters, slowest layer", max(layers), "s", LAYER_LIMIT_S),
        limited("a unit's facets of 1,000 patches, slowest", max(facets), "s", FACETS_LIMIT_S),
    ]


def _distances(bundle: Bundle, data: str) -> list[Row]:
    """How close distances from the recorder's short class samples are to those from all values."""
    source = open_data(data, bundle.shape)
    found = np.array(positions(source, bundle.splits["reference"]))
    labels, rng = source.labels[found], np.random.default_rng(0)
    classes = range(len(bundle.classes))
    sample = np.concatenate([rng.permutation(found[labels == c])[:PER_CLASS] for c in classes])
    layers = watched_layers(bundle.model, bundle.shape)
    alike: dict[str, float] = {}
    for layer, seen in values_of_layers(bundle.model, layers, source.pixels(sample)):
        ordered = np.sort(by_class(seen.values, len(classes)), axis=-1)
        pairs = np.triu_indices(layer.units, 1)
        exact, short = (unit_distances(v)[pairs] for v in (ordered, blocks(ordered, BLOCKS)))
        alike[layer.name] = float(np.corrcoef(exact, short)[0, 1])
    least = min(alike, key=lambda name: alike[name])
    told = f"correlation of estimated with exact distances of neurons, {len(sample)} images"
    against = "the exact ones"
    return [
        row(
            f"{told}, median of {len(alike)} layers",
            float(np.median(list(alike.values()))),
            "",
            against,
        ),
        row(f"{told}, lowest ({least})", alike[least], "", against),
    ]


def _overview(run: EvolutionRun) -> None:
    for metric in ("discriminability", "density"):
        run.macro(metric)
    run.warnings()


def _layer(run: EvolutionRun, name: str) -> None:
    for metric in ("discriminability", "density"):
        run.units(name, metric)
    run.clusters(name, EPOCHS)


def _facets(run: EvolutionRun, layer: str, source: ImageSource) -> None:
    patches = run.patches(layer, 0, EPOCHS, k=1000)
    pixels = source.pixels(positions(source, list(patches.keys)))
    facets_of(cut_patches(pixels, patches.boxes), patches.activations)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
