"""The network and images of `build` and `evolve --vulnerability`, as a worker opens them."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from ndcore.bundles.trained import trained_model
from ndcore.cli.selection import data_of, wishes_of
from ndcore.data.catalog import open_data, own_place
from ndcore.data.folder.intake import Intake
from ndcore.data.sources import ImageSource
from ndcore.data.stored.file import SUFFIX
from ndcore.errors import BadRequestError
from ndcore.evolution import EvolutionRun, load_run
from ndcore.evolution.recording.kept_weights import model_at
from ndcore.networks.brought.opening import open_images, usable
from ndcore.networks.registry import ModelSpec, model_spec
from ndcore.networks.weights import round_weights
from ndcore.scale.crew import Crew
from ndcore.scale.network.shared import Opened, Shared


def asked_network(options: Namespace) -> tuple[str, ModelSpec, ImageSource]:
    """Name and kind of the network that `build` was asked for, and its images.

    Raises:
        BadRequestError: what was asked does not go together.
    """
    name = options.model or options.bundle
    if options.activations:
        if options.model or options.data or options.weights or options.classes or options.size:
            raise BadRequestError(
                "--activations stands for the model and its images: give no --model, --data, "
                "--weights, --classes or --size with it"
            )
        name = options.activations
        if not name.lower().endswith(SUFFIX):
            raise BadRequestError(f"'{name}' is no {SUFFIX} file, as numpy.savez writes them")
    if options.run and (options.weights or options.activations):
        raise BadRequestError("--run names where weights come from: give no others with it")
    spec = model_spec(name)
    data = data_of(options.data, spec)
    return name, *open_images(spec, data, wishes_of(options))


@dataclass(frozen=True)
class _Asked:
    """Opens what a `build` command names.

    Attributes:
        command: its options, as JSON.
    """

    command: str

    def __call__(self) -> Opened:
        options = Namespace(**json.loads(self.command))
        _, spec, source = asked_network(options)
        weights = Path(options.weights) if options.weights else None
        model, *_ = trained_model(usable(spec, source), weights, options.run or None)
        round_weights(model)
        return model, source


def shared_build(crew: Crew, options: Namespace, model: nn.Module, source: ImageSource) -> Shared:
    """What a `build` command shares out: the network, as it was opened here, and the images."""
    command = json.dumps(vars(options), sort_keys=True)
    return Shared.of(crew, _Asked(command), model, source)


def run_images(run: EvolutionRun, options: Namespace) -> ImageSource:
    """The images that a recorded run was trained on, from `--data` or where they were then."""
    spec = model_spec(run.model)
    height, width, channels = spec.shape or run.about["shape"]
    own = own_place(run.about.get("root", ""))
    data = options.data or (str(own) if own else data_of(None, spec))
    intake = Intake.of(run.about.get("intake", {}))
    return open_data(data, (height, width, channels), intake)


@dataclass(frozen=True)
class _Epoch:
    """Opens an epoch of the run that an `evolve` command names.

    Attributes:
        command: its options, as JSON.
        weights: file of that epoch.
    """

    command: str
    weights: Path

    def __call__(self) -> Opened:
        options = Namespace(**json.loads(self.command))
        run = load_run(options.run[0])
        return model_at(run, self.weights, options.device), run_images(run, options)


def shared_epoch(
    crew: Crew, options: Namespace, weights: Path, model: nn.Module, source: ImageSource
) -> Shared:
    """The same of an epoch of an `evolve` command."""
    command = json.dumps(vars(options), sort_keys=True)
    return Shared.of(crew, _Epoch(command, weights), model, source)
