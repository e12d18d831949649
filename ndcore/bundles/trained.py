"""The weights that a bundle is built with: a file's, a training run's, or those a model brings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from torch import nn

from ndcore.errors import BundleError
from ndcore.networks.factories import Origin, made
from ndcore.networks.form import Finding
from ndcore.networks.registry import ModelSpec
from ndcore.networks.weights import load_weights
from ndcore.storage.places import RUNS, cache_dir, run_dir
from ndcore.training.checkpoints import is_same_network, read_run


class Trained(NamedTuple):
    """A model with its weights.

    Attributes:
        model: in eval mode.
        run: the record of the training run that made them, if one did.
        findings: that they are random, where they are.
    """

    model: nn.Module
    run: dict[str, Any] | None = None
    findings: tuple[Finding, ...] = ()


def trained_model(
    spec: ModelSpec, weights: Path | None = None, run_name: str | None = None
) -> Trained:
    """A model with its weights: of a file, of a training run, or as it brings them.

    Args:
        spec: examined.
        weights: a file to take them from.
        run_name: of a training run; default: the one of the model's own name, if there is one.

    Raises:
        BundleError: there are no weights, or they belong to another model; or they are random,
            and a run of the model has another name.
    """
    if weights:
        return Trained(load_weights(spec.build(), weights))
    run = read_run(run_dir(run_name or spec.name))
    how = f"python -m ndcore train {spec.name}"
    if run is None or not run["done"]:
        if run_name is None and spec.own:
            model, origin = made(spec.build)
            if origin is Origin.BROUGHT:
                return Trained(model.eval())
            if origin is Origin.SEEDED and not runs_of(spec):
                return Trained(model.eval(), findings=(_random(spec),))
        raise BundleError(_no_run(spec, run_name))
    if not is_same_network(run, spec):
        trained = f"was trained; train it with: {how}"
        if run_name:
            trained = f"run '{run_name}' trained; take one of its own, or train it with: {how}"
        raise BundleError(f"{spec.name} is another network than {trained}")
    kept = run_dir(run_name or spec.name) / "weights.safetensors"
    return Trained(load_weights(spec.build(), kept), run)


def _no_run(spec: ModelSpec, run_name: str | None) -> str:
    others = runs_of(spec)
    how = f"python -m ndcore train {spec.name}"
    if run_name:
        there = (
            f"; there is --run {', --run '.join(others)}" if others else f"; make one with: {how}"
        )
        return f"there is no finished training run '{run_name}'{there}"
    if not others:
        return f"there are no trained weights of {spec.name}; make them with: {how}"
    return (
        f"there is no training run of the name of {spec.name}, and without one its weights are "
        f"random: take the one that trained it, --run {' or --run '.join(others)}"
    )


def random_weights(spec: ModelSpec) -> list[Finding]:
    """A finding where an own model would be built with random weights, as it is by a factory that
    only seeds them."""
    own_run = read_run(run_dir(spec.name))
    if not spec.own or (own_run and own_run["done"]) or made(spec.build)[1] is Origin.BROUGHT:
        return []
    return [_random(spec)]


def _random(spec: ModelSpec) -> Finding:
    others = runs_of(spec)
    return Finding(
        "THE WEIGHTS ARE RANDOM, nothing was trained",
        remedy=(
            f"`build` needs --run {' or --run '.join(others)}, which trained this model"
            if others
            else f"train it first (python -m ndcore train {spec.name}), or give `build` its "
            "weights (--weights FILE)"
        ),
    )


def runs_of(spec: ModelSpec) -> list[str]:
    """Names of the finished training runs of a model, in alphabetical order."""
    found = []
    for record in sorted((cache_dir() / RUNS).glob("*/run.json")):
        run = read_run(record.parent)
        if run and run["done"] and run["model"] == spec.name and is_same_network(run, spec):
            found.append(record.parent.name)
    return found
