"""Attack a network as it was at each epoch, and let the divergence detector look at the results.

It works from the weights that `train --record` keeps beside the recording, one epoch at a time:
each epoch is written as soon as it is measured, so that a stopped or killed run goes on there.
The images are the same at every epoch. The detector's distributions and ranks are those of the
epoch's own weights; its score is compared between the dev images and the flipped ones among them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.distributions import count_distributions
from ndcore.activations.observed import Observed
from ndcore.activations.reading import read_source
from ndcore.attacks import AttackConfig, AttackResult, attack_images, summarise
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.detectors import DivergenceDetector
from ndcore.errors import DataError, RunError
from ndcore.evolution.recording.kept_weights import kept_weights, model_at
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.store import snapshot_file
from ndcore.evolution.vulnerability import (
    EpochVulnerability,
    Vulnerability,
    VulnerabilityConfig,
    read_vulnerability,
    write_vulnerability,
)
from ndcore.networks.registry import layer_names
from ndcore.networks.stoppable import stoppable
from ndcore.scale.network.attacked import attack_shared
from ndcore.scale.network.counted import count_shared
from ndcore.scale.network.shared import Shared
from ndcore.statistics.roc import auroc, bootstrap_auroc
from ndcore.steps import ShouldStop, Step, counter, in_parts, no_step
from ndcore.training.checkpoints import read_run

DETECTOR = "wasserstein"
REDUCTIONS = ("max", "value")  # those that the detector looks at
BATCH = 128

Share = Callable[[Path, nn.Module, ImageSource], Shared]


@dataclass(frozen=True)
class _Images:
    """Positions in the source, the same at every epoch."""

    attacked: list[int]
    reference: list[int]
    ranked: list[int]


def measure_vulnerability(
    run: EvolutionRun,
    source: ImageSource,
    config: VulnerabilityConfig | None = None,
    *,
    device: str = "auto",
    on_step: Step = no_step,
    on_epoch: Callable[[EpochVulnerability], None] | None = None,
    should_stop: ShouldStop = None,
    share: Share | None = None,
) -> Vulnerability:
    """Measure the epochs whose weights were kept and write them to the recording.

    Args:
        run: a recorded run, in the folder of its training.
        source: the images that it was trained on.
        config: how much; epochs measured with another one are measured again.
        device: `auto`, `cpu`, `cuda`, ...
        on_step: called with (what is being done, done, total).
        on_epoch: called with each epoch measured here.
        should_stop: asked before every function of torch.
        share: makes of a file of weights, the network with them and the images what a crew attacks
            and counts; None: all is done here.

    Returns:
        All epochs, those measured earlier included.

    Raises:
        RunError: the run's weights or splits are gone, or belong to another training.
        DataError: the source lacks images of the run.
        StoppedError: `should_stop` said so; whole epochs are kept.
    """
    config = config or VulnerabilityConfig()
    images = _choose(run, source, config)
    kept = kept_weights(run)
    rows = {row.epoch: row for row in _earlier(run, source, config)}
    if not kept and not rows:
        raise RunError(
            f"the weights of the recorded epochs are not in {snapshot_file(run.folder, 1).parent}: "
            f"they are kept by train {run.model} --record"
        )
    for number, (epoch, path) in enumerate(kept.items(), start=1):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if epoch in rows and rows[epoch].weights == digest:
            continue
        label = f"epoch {epoch} ({number} of {len(kept)})"

        def step(what: str, done: int, total: int, label: str = label) -> None:
            on_step(f"{label}: {what}", done, total)

        model = model_at(run, path, device)
        shared = None if share is None else share(path, model, source)
        with stoppable(should_stop, "stopped; the epochs measured so far are kept"):
            rows[epoch] = _measure(model, source, images, config, epoch, digest, step, shared)
        found = Vulnerability(config, source.name, tuple(rows[each] for each in sorted(rows)))
        write_vulnerability(run.folder, found)
        if on_epoch:
            on_epoch(rows[epoch])
    return Vulnerability(config, source.name, tuple(rows[each] for each in sorted(rows)))


def _earlier(
    run: EvolutionRun, source: ImageSource, config: VulnerabilityConfig
) -> tuple[EpochVulnerability, ...]:
    """Epochs that were measured with the same settings."""
    try:
        earlier = read_vulnerability(run.folder)
    except RunError:
        return ()
    if earlier is None or (earlier.config, earlier.data) != (config, source.name):
        return ()
    return tuple(row for row in earlier.epochs if row.epoch in run.detailed)


def training_of(run: EvolutionRun) -> dict[str, Any]:
    """What was written about the training of a recording, beside it.

    Raises:
        RunError: the recording came without it, or it is another training.
    """
    training = read_run(run.folder.parent)
    if training is None:
        raise RunError(
            f"the recording in {run.folder.parent} came without its training, whose weights this "
            f"needs: record one here with train {run.model} --record"
        )
    if (training["model"], training["config"]) != (run.model, run.about["config"]):
        raise RunError(f"the recording in {run.folder} is not of the training beside it")
    return training


def _choose(run: EvolutionRun, source: ImageSource, config: VulnerabilityConfig) -> _Images:
    training = training_of(run)
    members: dict[str, NDArray[np.int64]] = {}
    for name in ("reference", "dev", "calibration"):
        keys = training["splits"][name]
        members[name] = np.array(positions(source, keys), np.int64)
        if not keys or len(members[name]) < len(keys):
            raise DataError(
                f"{source.name} lacks images of the '{name}' split that {run.model} was trained "
                "with: give its data with --data"
            )
    rng = np.random.default_rng(config.seed)
    labels = source.labels[members["reference"]]
    present = np.unique(labels)
    each = max(1, config.reference // len(present))
    reference = [rng.permutation(members["reference"][labels == c])[:each] for c in present]
    return _Images(
        attacked=np.sort(rng.permutation(members["dev"])[: config.images]).tolist(),
        reference=np.sort(np.concatenate(reference)).tolist(),
        ranked=np.sort(rng.permutation(members["calibration"])[: config.ranked]).tolist(),
    )


def _measure(
    model: nn.Module,
    source: ImageSource,
    images: _Images,
    config: VulnerabilityConfig,
    epoch: int,
    digest: str,
    step: Step,
    shared: Shared | None,
) -> EpochVulnerability:
    started = time.monotonic()
    pixels = source.pixels(images.attacked)
    keys = [source.keys()[i] for i in images.attacked]
    # One precision everywhere, so that a figure does not hang on the processor.
    attack = AttackConfig(max_queries=config.max_queries, seed=config.seed, precision="float32")
    if shared is None:
        results = attack_images(
            model,
            pixels,
            source.labels[images.attacked],
            keys,
            attack,
            on_result=lambda index, _: step("attacking", index + 1, len(pixels)),
        )
    else:
        step("attacking", 0, 0)
        results = list(attack_shared(shared, images.attacked, attack, by_key=True))
    summary = summarise(results)
    won = [result for result in results if result.success]
    area, interval = None, None
    if won:
        detector = _detector(model, source, images, config, step, shared)
        area, interval = _told_apart(detector, pixels, keys, won, config.seed)
    return EpochVulnerability(
        epoch=epoch,
        weights=digest,
        attacked=summary["attacked"],
        flipped=summary["succeeded"],
        flip_rate=summary["success_rate"],
        flip_ci95=tuple(summary["ci95"]),
        queries_median=summary["queries_median"],
        benign=len(pixels),
        auroc=area,
        auroc_ci95=interval,
        seconds=round(time.monotonic() - started, 1),
    )


def _detector(
    model: nn.Module,
    source: ImageSource,
    images: _Images,
    config: VulnerabilityConfig,
    step: Step,
    shared: Shared | None,
) -> DivergenceDetector:
    layers = layer_names(model)
    count = count_distributions if shared is None else partial(count_shared, shared)
    histograms = count(
        model,
        layers,
        source,
        images.reference,
        config.seed,
        on_batch=counter(step, "distributions", len(images.reference)),
    )
    step("detector", 0, 0)
    ranked = read_source(model, layers, source, images.ranked, REDUCTIONS)
    observed = Observed(model, layers, source.classes, source.shape, histograms)
    detector = DivergenceDetector(observed, DETECTOR)
    return detector.fit(ranked, ranked)


def _told_apart(
    detector: DivergenceDetector,
    pixels: NDArray[np.uint8],
    keys: Sequence[str],
    won: Sequence[AttackResult],
    seed: int,
) -> tuple[float, tuple[float, float]]:
    """AUROC of the score, benign images against flipped ones, with its interval."""
    benign = _scores(detector, pixels)
    attacked = _scores(detector, np.stack([result.attacked for result in won]))
    sources = [result.id for result in won]
    return auroc(benign, attacked), bootstrap_auroc(benign, attacked, keys, sources, seed=seed)


def _scores(detector: DivergenceDetector, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    parts = [detector.score(detector.see(pixels[part])) for part in in_parts(len(pixels), BATCH)]
    return np.concatenate(parts)
