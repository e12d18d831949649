"""`train`."""

from __future__ import annotations

import shlex
import sys
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ndcore.cli.commands import Answer
from ndcore.cli.shared_options import add_new_data, add_own_model
from ndcore.errors import BadRequestError
from ndcore.storage.places import run_dir

if TYPE_CHECKING:
    from ndcore.training.recipes import TrainConfig


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", help="registered name, such as lenet, or file.py:factory")
    add_new_data(parser)
    add_own_model(parser)
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--lr", type=float, help="peak learning rate (default: the recipe's)")
    parser.add_argument("--batch", type=int, metavar="N", help="images per step")
    parser.add_argument(
        "--no-augmentation",
        action="store_true",
        help="train on the images as they are, neither mirrored nor shifted nor altered",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--run",
        metavar="NAME",
        help="name of the run (default: the model's); one with other settings is replaced",
    )
    parser.add_argument(
        "--record", action="store_true", help="keep what `evolve` shows of every epoch"
    )


def run(options: Namespace) -> Answer:
    """Train a model, or go on where a killed run stopped; its accuracy, and its recording."""
    from ndcore.cli.selection import data_of, wishes_of
    from ndcore.cli.text import share
    from ndcore.data.splits import positions
    from ndcore.evolution import keep_averages, load_run
    from ndcore.evolution.recording.recorder import Recorder
    from ndcore.jobs.memory import keep_freed
    from ndcore.networks.brought.opening import open_images
    from ndcore.networks.forward import evaluate
    from ndcore.networks.registry import model_spec
    from ndcore.networks.weights import load_weights
    from ndcore.training.checkpoints import read_run
    from ndcore.training.loop import train
    from ndcore.training.recipes import recipe

    keep_freed()
    spec = model_spec(options.model)
    spec, source = open_images(spec, data_of(options.data, spec), wishes_of(options))
    for told in source.left_out:
        print(told, file=sys.stderr)
    config = _asked(replace(recipe(spec.name), seed=options.seed), options)
    folder = _run_folder(options.run) if options.run is not None else run_dir(spec.name)
    earlier = read_run(folder)

    def show(row: dict[str, Any]) -> None:
        print(
            f"epoch {row['epoch']}: loss {row['loss']:.3f}, "
            f"dev accuracy {row['dev_accuracy']:.3f}, {row['seconds']:.0f} s",
            file=sys.stderr,
        )

    recorder = Recorder(folder) if options.record else None
    done = train(
        spec, source, config, folder, device=options.device, on_epoch=show, recorder=recorder
    )
    if recorder and not recorder.holds(done):
        raise BadRequestError(
            f"the run in {folder} was finished without --record: remove it, or train it anew "
            "under another name with --run NAME"
        )
    model = spec.build()
    load_weights(model, folder / "weights.safetensors")
    held = evaluate(model, source, positions(source, done["splits"]["evaluation"]))
    tests = [i for i, part in enumerate(source.parts) if part == "test"]
    tested = evaluate(model, source, tests) if tests else held
    document = {
        "model": spec.name,
        "run": str(folder),
        "resumed": bool(earlier and earlier["epochs"]),
        "epochs": done["epochs"],
        "evaluation": held,
        "test": tested if tests else None,
        "test_accuracy": tested["accuracy"],
        "weight_hash": done["weight_hash"],
    }
    if recorder:
        known = ("evaluation", "test", "test_accuracy", "weight_hash")
        recorder.finish({key: document[key] for key in known})
        keep_averages(load_run(folder), source)
        document["recording"] = str(recorder.folder)
    text = f"{spec.name}: held-out accuracy {share(held)}"
    text += f", test part {share(tested)}" if tests else ""
    return document, f"{text}\nto build a bundle of it: {_build_command(options)}", 0


def _build_command(options: Namespace) -> str:
    """The command that builds from this run and these images."""
    parts = ["build", options.run or "NAME", "--model", options.model]
    for name in ("data", "run", "parts", "output", "classes"):
        if value := getattr(options, name):
            parts += [f"--{name}", value]
    if options.size:
        parts += ["--size", *map(str, options.size)]
    if options.crop is not None:
        parts += ["--crop", f"{options.crop:g}"]
    if options.skip_broken:
        parts.append("--skip-broken")
    return f"python -m ndcore {shlex.join(parts)}"


def _asked(config: TrainConfig, options: Namespace) -> TrainConfig:
    """The recipe with what the options ask to be different."""
    for name in ("epochs", "batch", "lr"):
        value = getattr(options, name)
        if value is not None and not 0 < value < float("inf"):
            raise BadRequestError(f"{name} must be above 0, got {value}")
    if options.epochs is not None:
        config = replace(config, epochs=options.epochs)
    if options.batch is not None:
        config = replace(config, batch_size=options.batch, least_steps=0)
    if options.lr is not None:
        config = replace(config, lr=options.lr)
    if options.no_augmentation:
        config = replace(config, shift_px=0, cut_out_px=0, mirror=False)
    return config


def _run_folder(name: str) -> Path:
    folder = run_dir(name)
    if folder.name != name:
        raise BadRequestError(
            f"'{name}' is no name of a run: use letters, digits, '-', '_' and '.', no '.' at "
            "either end and no '-' in front"
        )
    return folder
