"""A training run on disk: its record, and weights with optimiser after the last whole epoch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ndcore.errors import BadRequestError
from ndcore.networks.brought.made_up import is_answer, made_up_answer
from ndcore.networks.registry import ModelSpec
from ndcore.networks.weights import save_weights

MOMENTUM = "momentum_buffer"


def read_run(folder: Path) -> dict[str, Any] | None:
    """The content of `run.json`, or None where there is no readable run."""
    try:
        run = json.loads((folder / "run.json").read_text())
    except (OSError, ValueError):
        return None
    wanted = {"config", "splits", "epochs", "dtype", "done", "model"}
    return run if isinstance(run, dict) and wanted <= run.keys() else None


@torch.no_grad()
def fingerprint(spec: ModelSpec) -> list[float]:
    """What the network makes of made-up weights and images: another one gives other numbers.

    It tells a change of a factory's file that counts from one that does not.
    """
    model = spec.build().eval()
    for number, weight in enumerate(model.parameters()):
        values = torch.arange(weight.numel(), dtype=torch.float32).add_(number).sin_()
        weight.copy_(values.mul_((weight.shape[0] / max(1, weight.numel())) ** 0.5).view_as(weight))
    if spec.shape is None:
        raise BadRequestError(f"{spec.name} does not say of which shape its images are")
    return made_up_answer(model, spec.shape)


def is_same_network(run: dict[str, Any], spec: ModelSpec) -> bool:
    """Whether a run was made with this very network; runs older than the question are believed."""
    if "network" not in run:
        return True
    return is_answer(fingerprint(spec), run["network"])


def save_checkpoint(
    path: Path,
    model: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    average: AveragedModel | None,
    epochs: int,
) -> None:
    """Write everything that the next epoch starts from, atomically."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": tensor for name, tensor in average.state_dict().items()}
    for number, weight, optimiser in _weights(optimisers):
        for name, value in optimiser.state[weight].items():
            if isinstance(value, Tensor):
                kept = "momentum" if name == MOMENTUM else f"state.{name}"
                tensors[f"{kept}.{number}"] = value
    save_weights(path, tensors | {"epochs": torch.tensor(epochs)})


def load_checkpoint(
    path: Path,
    model: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    average: AveragedModel | None,
    epochs: int,
) -> int:
    """Load a checkpoint in place, of at most `epochs` epochs.

    Returns:
        The epochs it holds; 0, and nothing loaded, when it is missing, damaged or of more epochs.
    """
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return 0
    held = int(tensors.pop("epochs", torch.tensor(-1)))
    if not 0 < held <= epochs:
        return 0
    try:
        model.load_state_dict(_part(tensors, "model."))
    except RuntimeError:  # of another network
        return 0
    if average is not None:
        average.load_state_dict(_part(tensors, "average."))
    for number, weight, optimiser in _weights(optimisers):
        for kept, value in tensors.items():
            if kept == f"momentum.{number}":
                optimiser.state[weight][MOMENTUM] = value.to(weight.device)
            elif kept.startswith("state.") and kept.endswith(f".{number}"):
                name = kept.removeprefix("state.").removesuffix(f".{number}")
                # AdamW counts its steps on the CPU.
                optimiser.state[weight][name] = value.to(weight.device) if value.ndim else value
    return held


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}


def _weights(
    optimisers: list[torch.optim.Optimizer],
) -> Iterator[tuple[int, nn.Parameter, torch.optim.Optimizer]]:
    number = 0
    for optimiser in optimisers:
        for group in optimiser.param_groups:
            for weight in group["params"]:
                yield number, weight, optimiser
                number += 1
