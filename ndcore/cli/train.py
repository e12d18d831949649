"""Handlers of `train` and `evolve`."""

from __future__ import annotations

import sys
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from ndcore.cli.evolution import evolution_document, evolution_text
from ndcore.cli.findings import findings_text
from ndcore.cli.progress import Progress
from ndcore.cli.selection import data_of
from ndcore.cli.text import share
from ndcore.data.catalog import open_data
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError
from ndcore.evolution import VulnerabilityConfig, keep_averages, load_run
from ndcore.evolution.attack_epochs import measure_vulnerability
from ndcore.evolution.findings import findings_of
from ndcore.evolution.recording.recorder import Recorder
from ndcore.networks.forward import evaluate as evaluate_model
from ndcore.networks.registry import model_spec
from ndcore.networks.weights import load_weights
from ndcore.storage.places import run_dir
from ndcore.training.checkpoints import read_run
from ndcore.training.loop import train as train_model
from ndcore.training.recipes import recipe

__all__ = ["evolve", "train"]

Answer = tuple[dict[str, Any], str, int]


def train(options: Namespace) -> Answer:
    """Train a model, or go on where a killed run stopped; its accuracy, and its recording."""
    spec = model_spec(options.model)
    source = open_data(data_of(options.data, spec), spec.shape)
    config = replace(recipe(spec.name), seed=options.seed)
    if options.epochs is not None:
        if options.epochs < 1:
            raise BadRequestError(f"epochs must be at least 1, got {options.epochs}")
        config = replace(config, epochs=options.epochs)
    folder = _run_folder(options.run) if options.run is not None else run_dir(spec.name)
    earlier = read_run(folder)

    def show(row: dict[str, Any]) -> None:
        print(
            f"epoch {row['epoch']}/{config.epochs}: loss {row['loss']:.3f}, "
            f"dev accuracy {row['dev_accuracy']:.3f}, {row['seconds']:.0f} s",
            file=sys.stderr,
        )

    recorder = Recorder(folder) if options.record else None
    run = train_model(
        spec,
        source,
        config,
        folder,
        device=options.device,
        on_epoch=show,
        recorder=recorder,
    )
    if recorder and not recorder.holds(run):
        raise BadRequestError(
            f"the run in {folder} was finished without --record: remove it, or train it anew "
            "under another name with --run NAME"
        )
    model = model_spec(options.model).build()
    load_weights(model, folder / "weights.safetensors")
    held = evaluate_model(model, source, positions(source, run["splits"]["evaluation"]))
    tests = [i for i, part in enumerate(source.parts) if part == "test"]
    tested = evaluate_model(model, source, tests) if tests else held
    document = {
        "model": spec.name,
        "run": str(folder),
        "resumed": bool(earlier and earlier["epochs"]),
        "epochs": run["epochs"],
        "evaluation": held,
        "test": tested if tests else None,
        "test_accuracy": tested["accuracy"],
        "weight_hash": run["weight_hash"],
    }
    if recorder:
        known = ("evaluation", "test", "test_accuracy", "weight_hash")
        recorder.finish({key: document[key] for key in known})
        keep_averages(load_run(folder), source)
        document["recording"] = str(recorder.folder)
    text = f"{spec.name}: held-out accuracy {share(held)}"
    return document, text + (f", test part {share(tested)}" if tests else ""), 0


def _run_folder(name: str) -> Path:
    folder = run_dir(name)
    if folder.name != name:
        raise BadRequestError(
            f"'{name}' is no name of a run: use letters, digits, '-', '_' and '.', and no '.' at "
            "either end"
        )
    return folder


def evolve(options: Namespace) -> Answer:
    """How a recorded run evolved, or what the paper's claims come to on recorded runs."""
    if options.findings:
        document = findings_of(options.run)
        return document, findings_text(document), 0
    if len(options.run) != 1:
        raise BadRequestError(f"evolve takes one RUN, got {len(options.run)}")
    found = load_run(options.run[0])
    if options.vulnerability:
        spec = model_spec(found.model)
        source = open_data(data_of(options.data, spec), spec.shape)
        config = VulnerabilityConfig(images=options.images, seed=options.seed)
        with Progress() as progress:
            measure_vulnerability(
                found, source, config, device=options.device, on_step=progress.step
            )
    document = evolution_document(found, options.variant, options.layer)
    return document, evolution_text(document), 0
