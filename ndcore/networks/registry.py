"""Models: names that can be built, their layers, and weights on disk.

Contract: a model takes images float32 (N, C, H, W) in [0, 1] and returns logits (N, classes).
Normalisation is its first layer. Every capturable layer is a direct, named child whose output
is the layer's activation (after batch norm and ReLU).

Reference: Simonyan & Zisserman 2015, "Very deep convolutional networks" (VGG16).
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import nn

from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.errors import BadRequestError
from ndcore.networks.deep_view import NETWORKS, build_network
from ndcore.networks.vgg import digits_cnn, vgg16_cifar10

DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class ModelSpec:
    """What a registered model is built for.

    Attributes:
        name: registry name.
        build: returns a new module with random weights.
        shape: image shape (H, W, C).
        classes: class names in label order; empty when the data set decides.
        data: name of the image source it is trained on when no data is given, or "".
    """

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, int, int]
    classes: tuple[str, ...]
    data: str = ""


MODELS: dict[str, ModelSpec] = {
    "cifar10-vgg16": ModelSpec("cifar10-vgg16", vgg16_cifar10, (32, 32, 3), CIFAR10_CLASSES),
    "digits-cnn": ModelSpec("digits-cnn", digits_cnn, (8, 8, 1), DIGITS, "digits"),
}
MODELS |= {
    name: ModelSpec(
        name,
        partial(build_network, name),
        network.shape,
        CIFAR10_CLASSES if network.shape[2] == 3 else DIGITS,
        "" if network.shape[2] == 3 else "digits",
    )
    for name, network in NETWORKS.items()
}


def model_spec(name: str) -> ModelSpec:
    """A registered model, or the user's own factory.

    Args:
        name: a key of `MODELS`, `package.module:factory` or `path/to/file.py:factory`. A factory
            takes no argument and returns a module; attributes `shape` (H, W, C) and `layers`
            (names of its children to observe) of that module are used when present.

    Raises:
        BadRequestError: the name is unknown or the factory cannot be imported or called.
    """
    if name in MODELS:
        return MODELS[name]
    if ":" not in name:
        known = ", ".join(MODELS)
        raise BadRequestError(
            f"unknown model '{name}': choose {known}, or give a factory as file.py:function"
        )
    build = _import_factory(name)
    try:
        model = build()
    except Exception as error:
        raise BadRequestError(f"model factory '{name}' failed: {error}") from error
    if not isinstance(model, nn.Module):
        raise BadRequestError(f"model factory '{name}' returned no torch.nn.Module")
    return ModelSpec(name, build, tuple(getattr(model, "shape", (32, 32, 3))), ())


def build_model(name: str) -> nn.Module:
    """A new module in eval mode with random weights; see `model_spec` for names and errors."""
    return model_spec(name).build().eval()


def _import_factory(name: str) -> Callable[[], nn.Module]:
    place, _, attribute = name.rpartition(":")
    try:
        if place.endswith(".py"):
            spec = importlib.util.spec_from_file_location(Path(place).stem, place)
            if spec is None or spec.loader is None:
                raise ImportError(f"cannot load {place}")
            module = importlib.util.module_from_spec(spec)
            # Last, so that modules beside it are found and none of Python's is hidden.
            sys.path.append(str(Path(place).resolve().parent))
            spec.loader.exec_module(module)
        else:
            module = importlib.import_module(place)
        factory: Callable[[], nn.Module] = getattr(module, attribute)
    except Exception as error:
        raise BadRequestError(f"cannot import model factory '{name}': {error}") from error
    return factory


def layer_names(model: nn.Module) -> tuple[str, ...]:
    """Names of the layers to observe, in the order of the forward pass.

    They are `model.layers` when the model says so; else every direct child that holds a
    convolution or a linear map; else every such module at any depth.
    """
    named = getattr(model, "layers", None)
    if isinstance(named, (tuple, list)) and all(isinstance(name, str) for name in named):
        return tuple(named)

    def holds_units(module: nn.Module) -> bool:
        return any(isinstance(part, (nn.Conv2d, nn.Linear)) for part in module.modules())

    children = [name for name, child in model.named_children() if holds_units(child)]
    if len(children) > 1:
        return tuple(children)
    return tuple(
        name for name, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    )
