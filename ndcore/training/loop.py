"""Train a model with a checkpoint per epoch; a killed run goes on where it stopped.

A run is a folder: `run.json` (configuration, splits, one row per epoch), `state.safetensors`
(weights and optimiser, the last whole epoch) and, when done, `weights.safetensors`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim.swa_utils import AveragedModel

from ndcore.data.sources import ImageSource
from ndcore.data.splits import make_splits, positions
from ndcore.errors import BadRequestError, DataError
from ndcore.networks.brought.opening import usable
from ndcore.networks.forward import device_of, laid_out, pick_device, predict
from ndcore.networks.registry import ModelSpec
from ndcore.networks.way import fast_bfloat16
from ndcore.networks.weights import load_weights, rounded, save_weights, weight_hash
from ndcore.steps import ShouldStop, stop_if
from ndcore.storage.atomic import write_json
from ndcore.storage.lock import only_one
from ndcore.training.augment import cut_out, resize, shift
from ndcore.training.checkpoints import (
    fingerprint,
    is_same_network,
    load_checkpoint,
    read_run,
    save_checkpoint,
)
from ndcore.training.held_images import Resident
from ndcore.training.learning_curves import Judged, count_hits, judged
from ndcore.training.muon import ConvMuon
from ndcore.training.recipes import TrainConfig
from ndcore.training.side_by_side import SideBySide

NORM_IMAGES = 10_240
NORM_BATCH = 512
SMALL_MODEL = 500_000
LOWER = "lower the rate, with --lr on the command line"


class EpochRecorder(Protocol):
    """What watches a run: it is told of the start and of each epoch, before the checkpoint."""

    def start(
        self, run: dict[str, Any], model: nn.Module, source: ImageSource, members: list[int]
    ) -> None:
        """Prepare for the epochs after those in `run["epochs"]`; `members` are trained on."""

    def epoch(self, number: int, model: nn.Module, curves: dict[str, float]) -> None:
        """Keep what epoch `number` (from 1) made of the model."""


def train(
    spec: ModelSpec,
    source: ImageSource,
    config: TrainConfig,
    folder: Path,
    *,
    device: str = "auto",
    on_epoch: Callable[[dict[str, Any]], None] | None = None,
    should_stop: ShouldStop = None,
    recorder: EpochRecorder | None = None,
) -> dict[str, Any]:
    """Train `spec` on the reference split of `source` and write the run to `folder`.

    Args:
        spec: model to build.
        source: labelled images of the model's shape.
        config: recipe.
        folder: run folder; an unfinished run with the same configuration there is resumed, a
            finished one is returned as it is.
        device: `auto`, `cpu`, `cuda`, ...
        on_epoch: called with each epoch's row.
        should_stop: asked after every step.
        recorder: watches the run; it changes neither the model nor the order of random numbers.

    Returns:
        The content of `run.json`.

    Raises:
        StoppedError: `should_stop` said so; whole epochs are kept.
        BadRequestError: the model cannot be used, or another process trains into this folder; the
            sentence says what to do.
        DataError: a class is too small to split, a registered model does not take the images, or
            training diverged.
    """
    with only_one(folder, f"run '{folder.name}'"):
        return _train(spec, source, config, folder, device, on_epoch, should_stop, recorder)


def _train(
    spec: ModelSpec,
    source: ImageSource,
    config: TrainConfig,
    folder: Path,
    device: str,
    on_epoch: Callable[[dict[str, Any]], None] | None,
    should_stop: ShouldStop,
    recorder: EpochRecorder | None,
) -> dict[str, Any]:
    place = pick_device(device)
    spec = usable(spec, source)
    _require_fit(spec, source)
    run = _run_of(folder, spec, source, config)
    splits = run["splits"]
    if run["done"] and (folder / "weights.safetensors").is_file():
        return run

    model = _initial(spec, config).to(place)
    laid_out(model)
    optimisers = _optimisers(model, config)
    average = AveragedModel(model) if config.average_from < 1 else None
    state = folder / "state.safetensors"
    # A row without a checkpoint is one that a kill cut short.
    held = load_checkpoint(state, model, optimisers, average, len(run["epochs"]))
    run["epochs"] = run["epochs"][:held]
    if not held:
        state.unlink(missing_ok=True)
    reference = Resident(source, positions(source, splits["reference"]))
    dev = positions(source, splits["dev"])
    if not run["dtype"]:
        run["dtype"] = _faster_dtype(model, place)
    dtype = getattr(torch, run["dtype"])
    if recorder:
        recorder.start(run, model, source, positions(source, splits["reference"]))

    for epoch in range(len(run["epochs"]), config.epochs):
        started = time.monotonic()
        averaging = average if epoch >= config.average_from * config.epochs else None
        with _seeded(_epoch_seed(config, epoch), place):
            trained = _epoch(
                model, optimisers, averaging, reference, config, epoch, dtype, should_stop
            )
        logits = predict(model, source, dev)
        accuracy = float((logits.argmax(1) == source.labels[dev]).mean())
        row = {"epoch": epoch + 1, "loss": round(trained.loss, 4)}
        row |= {"dev_accuracy": round(accuracy, 4), "seconds": round(time.monotonic() - started, 1)}
        if recorder:
            seen = judged(torch.from_numpy(logits), torch.from_numpy(source.labels[dev]))
            began = time.monotonic()
            recorder.epoch(epoch + 1, model, _curves(train=trained, validation=seen))
            row["record_seconds"] = round(time.monotonic() - began, 2)
        run["epochs"].append(row)
        # In this order: a kill between the two costs this epoch and not the run.
        write_json(folder / "run.json", run)
        save_checkpoint(state, model, optimisers, average, epoch + 1)
        if on_epoch:
            on_epoch(run["epochs"][-1])
    if average is not None and int(average.n_averaged):
        model.load_state_dict(average.module.state_dict())
    with _seeded(config.seed, place):
        _settle_norms(model, reference, place)
    _require_numbers(model)
    _save_rounded(model, folder / "weights.safetensors")
    run |= {"done": True, "weight_hash": weight_hash(model)}
    write_json(folder / "run.json", run)
    return run


def _run_of(
    folder: Path, spec: ModelSpec, source: ImageSource, config: TrainConfig
) -> dict[str, Any]:
    """The run in the folder if it has the same network, recipe and images, or a new one."""
    splits = make_splits(source, config.seed)
    recorded = json.loads(json.dumps(asdict(config)))
    run = read_run(folder)
    crop = source.intake.crop
    asked = (spec.name, recorded, splits, crop)
    known = (
        run and (run["model"], _complete(run["config"]), run["splits"], run.get("crop")) == asked
    )
    if run and known and is_same_network(run, spec):
        return run
    new = {"model": spec.name, "data": source.name, "config": recorded, "splits": splits}
    if crop is not None:
        new["crop"] = crop
    if spec.own:  # a factory's file may be edited between two runs
        new |= {"network": fingerprint(spec), "form": spec.form.to_dict()}
    return new | {"classes": list(source.classes), "epochs": [], "dtype": "", "done": False}


@contextmanager
def _seeded(seed: int, place: torch.device) -> Iterator[None]:
    """What a model itself draws here, such as dropout, depends on the seed alone."""
    with torch.random.fork_rng([place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _epoch_seed(config: TrainConfig, epoch: int) -> int:
    """One per epoch, so that a resumed run sees what an unbroken one would have seen."""
    return config.seed * 1_000_003 + epoch


def _curves(**parts: Judged) -> dict[str, float]:
    return {
        f"{part}_{name}": value
        for part, found in parts.items()
        for name, value in found._asdict().items()
    }


def _require_numbers(model: nn.Module) -> None:
    for name, weight in model.state_dict().items():
        if weight.is_floating_point() and not bool(torch.isfinite(weight).all()):
            raise DataError(f"training diverged: weight '{name}' is no longer a number; {LOWER}")


def _save_rounded(model: nn.Module, path: Path) -> None:
    """Round once to float16, so that the half-size file of a bundle holds these very weights."""
    weights = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    kept = {name: rounded(tensor).to(tensor.dtype) for name, tensor in weights.items()}
    save_weights(path, kept, half=True)
    load_weights(model, path)


def _complete(config: dict[str, Any]) -> dict[str, Any]:
    """A stored configuration, with the defaults of options that are newer than it."""
    defaults: dict[str, Any] = json.loads(json.dumps(asdict(TrainConfig(epochs=0))))
    return defaults | config


def _require_fit(spec: ModelSpec, source: ImageSource) -> None:
    if spec.classes and source.shape != spec.shape:
        raise DataError(f"the images are {source.shape} but {spec.name} takes {spec.shape}")
    if spec.classes and len(source.classes) != len(spec.classes):
        raise DataError(
            f"the data has {len(source.classes)} classes but {spec.name} tells "
            f"{len(spec.classes)} apart"
        )


def _initial(spec: ModelSpec, config: TrainConfig) -> nn.Module:
    with _seeded(config.seed, torch.device("cpu")):
        model = spec.build()
        if not any(weight.requires_grad for weight in model.parameters()):
            raise BadRequestError(f"{spec.name} has no weights to train: `build` takes it as it is")
        for module in model.modules() if config.identity_start else ():
            if isinstance(module, nn.Conv2d) and module.groups == 1 and module.in_channels > 3:
                nn.init.dirac_(module.weight.data[: module.in_channels])
    return model


def _optimisers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    normed = {
        id(first.weight)
        for block in model.modules()
        if isinstance(block, nn.Sequential)
        for first, second in pairwise(block)
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d)
    }
    muon = normed if config.conv_lr else set()
    conv = [weight for weight in model.parameters() if id(weight) in muon]
    rest = [weight for weight in model.parameters() if id(weight) not in muon]
    others: torch.optim.Optimizer
    if config.adaptive:
        others = torch.optim.AdamW(rest, lr=config.lr, weight_decay=config.weight_decay)
    else:
        others = torch.optim.SGD(
            rest,
            lr=config.lr,
            momentum=config.momentum,
            nesterov=True,
            weight_decay=config.weight_decay,
        )
    return [ConvMuon(conv, config.conv_lr, config.momentum), others] if conv else [others]


@torch.no_grad()
def _settle_norms(model: nn.Module, reference: Resident, place: torch.device) -> None:
    """Take batch-norm statistics anew from unaltered images: training saw altered ones only."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
    model.train()
    order = torch.randperm(len(reference), generator=torch.Generator().manual_seed(0))
    for rows in torch.split(order[:NORM_IMAGES], NORM_BATCH):
        if len(rows) > 1:
            model(reference.batch(rows)[0].to(place, memory_format=torch.channels_last))
    model.eval()


@contextmanager
def _faster(place: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Forward passes in `dtype`, and on a CPU in the form that its matrix units prefer."""
    if dtype == torch.float32:
        yield
        return
    with torch.autocast(place.type, dtype), SideBySide() if place.type == "cpu" else nullcontext():
        yield


def _faster_dtype(model: nn.Module, place: torch.device) -> str:
    """bfloat16 or float32, whichever trains such a network sooner on this machine.

    Told by its build and never by a stop-watch, so that one seed gives the same weights each time.
    On a processor with bfloat16 units a step takes 0.7 of the time where most weights are those of
    convolutions (ResNet-18, ResNeXt; VGG16 half), but 1.2 in a transformer and 2 where they are
    depthwise (MobileNetV2).
    """
    weights = sum(weight.numel() for weight in model.parameters())
    if weights < SMALL_MODEL or not fast_bfloat16(place):
        return "float32"
    if place.type == "cuda":
        return "bfloat16"
    convolutions = [part for part in model.modules() if isinstance(part, nn.Conv2d)]
    depthwise = any(part.groups == part.in_channels > 1 for part in convolutions)
    inside = sum(part.weight.numel() for part in convolutions)
    return "bfloat16" if not depthwise and inside > weights / 2 else "float32"


def _epoch(
    model: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    averaging: AveragedModel | None,
    reference: Resident,
    config: TrainConfig,
    epoch: int,
    dtype: torch.dtype,
    should_stop: ShouldStop,
) -> Judged:
    """One pass in a seeded order; its mean loss and errors, on the images as they were altered."""
    place = device_of(model)
    generator = torch.Generator().manual_seed(_epoch_seed(config, epoch))
    mirrored_first = torch.rand(
        len(reference), generator=torch.Generator().manual_seed(config.seed)
    )
    order = torch.randperm(len(reference), generator=generator)
    size = config.batch_of(len(reference))
    steps = len(reference) // size
    side = next(side for share, side in config.sides if epoch < share * config.epochs + 1e-9)
    total = 0.0
    hits = torch.zeros(2, dtype=torch.int64, device=place)
    model.train()
    for step in range(steps):
        stop_if(should_stop, "training was stopped; the epochs done so far are kept")
        rows = order[step * size : (step + 1) * size]
        images, labels = reference.batch(rows)
        if config.mirror:
            turned = (mirrored_first[rows] < 0.5) ^ (epoch % 2 == 1)
            images = torch.where(turned[:, None, None, None], images.flip(-1), images)
        images, labels = images.to(place), labels.to(place)
        images = shift(images, config.shift_px, generator)
        images = cut_out(images, config.cut_out_px, generator)
        images = resize(images, side or images.shape[-1])
        _set_rates(optimisers, config, (epoch + step / steps) / config.epochs)
        with _faster(place, dtype):
            logits = model(images.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), labels, label_smoothing=config.label_smoothing)
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if config.clip:
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.clip)
        for optimiser in optimisers:
            optimiser.step()
        if averaging is not None:
            averaging.update_parameters(model)
        total += float(loss.detach())
        hits += count_hits(logits.detach(), labels)
    if not np.isfinite(total):
        raise DataError(f"training diverged: the loss is no longer a number; {LOWER}")
    first, fifth = (1 - hits / (steps * size)).tolist()
    return Judged(total / steps, first, fifth)


def _set_rates(
    optimisers: list[torch.optim.Optimizer], config: TrainConfig, progress: float
) -> None:
    began = 0.0
    for until, first, last in config.rates:
        if progress < until:
            factor = first + (last - first) * (progress - began) / (until - began)
            break
        began = until
    for optimiser in optimisers:
        peak = config.conv_lr if isinstance(optimiser, ConvMuon) else config.lr
        for group in optimiser.param_groups:
            group["lr"] = peak * factor
