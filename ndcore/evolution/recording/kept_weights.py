"""The network as it was at the epochs whose weights a recording kept."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from ndcore.errors import BadRequestError, BundleError, RunError
from ndcore.evolution.run import EvolutionRun
from ndcore.evolution.store import snapshot_file
from ndcore.networks.form import Form
from ndcore.networks.forward import pick_device
from ndcore.networks.registry import model_spec
from ndcore.networks.weights import load_weights


def kept_weights(run: EvolutionRun) -> dict[int, Path]:
    """Epoch -> file of its weights, of those epochs whose weights are on this machine."""
    files = {epoch: snapshot_file(run.folder, epoch) for epoch in run.detailed}
    return {epoch: path for epoch, path in files.items() if path.is_file()}


def model_at(run: EvolutionRun, path: Path, device: str = "cpu") -> nn.Module:
    """The network with the weights of an epoch, in eval mode.

    Args:
        run: a recording.
        path: of weights, see `kept_weights`.
        device: `auto`, `cpu`, `cuda`, ...

    Raises:
        RunError: they cannot be used.
    """
    try:
        form = Form.of(run.about.get("form"))
        model = load_weights(model_spec(run.model, form).build(), path)
    except (BundleError, BadRequestError) as error:
        raise RunError(f"the weights in {path} cannot be used: {error}") from error
    return model.eval().to(pick_device(device))
