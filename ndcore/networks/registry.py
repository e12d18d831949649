"""Models: names that can be built, their layers, and weights on disk.

Contract: a model takes images float32 (N, C, H, W) in [0, 1] and returns logits (N, classes).
Normalisation is its first layer. Every capturable layer is a direct, named child whose output
is the layer's activation (after batch norm and ReLU).

Reference: Simonyan & Zisserman 2015, "Very deep convolutional networks" (VGG16).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from torch import nn

from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.errors import BadRequestError
from ndcore.networks.called.stored import Stored
from ndcore.networks.deep_view import NETWORKS, build_network
from ndcore.networks.factories import WHOLE, factory_of
from ndcore.networks.form import PLAIN, Finding, Form, adapted, in_single
from ndcore.networks.vgg import digits_cnn, vgg16_cifar10

COLOURS = (3, 1)  # channels of images that can be read
DIGITS = tuple(str(digit) for digit in range(10))


@dataclass(frozen=True)
class ModelSpec:
    """What a registered model is built for.

    Attributes:
        name: registry name.
        build: returns a new module with random weights, or with those it brings.
        shape: image shape (H, W, C); None until images tell it, of an own model that does not.
        classes: class names in label order; empty when the data set decides.
        data: name of the image source it is trained on when no data is given, or "".
        form: how its answer becomes logits; `build` gives it in this form.
        findings: what was found when it was probed; None before.
    """

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, int, int] | None
    classes: tuple[str, ...]
    data: str = ""
    form: Form = PLAIN
    findings: tuple[Finding, ...] | None = None

    @property
    def own(self) -> bool:
        """Whether somebody brought it; the data decides its classes."""
        return not self.classes

    def in_form(self, form: Form) -> ModelSpec:
        """The same model, brought into another form."""
        if form == self.form:
            return self
        make = self.build
        return replace(self, build=lambda: adapted(make(), form), form=form)


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


def model_spec(name: str, form: Form = PLAIN) -> ModelSpec:
    """A registered model, or the user's own.

    Args:
        name: a key of `MODELS`, or what `ndcore.networks.factories.factory_of` takes. A factory
            takes no argument and returns a module; attributes `shape` (H, W, C) and `layers`
            (names of its parts to observe) of that module are used when present. A function of
            images may have the `shape` too.
        form: in which the own model is to be, as a probe found it.

    Raises:
        BadRequestError: the name is unknown, or its module cannot be made.
    """
    if name in MODELS:
        return MODELS[name]
    if ":" not in name and not name.lower().endswith(WHOLE):
        known = ", ".join(MODELS)
        raise BadRequestError(
            f"unknown model '{name}': choose {known}, or give a function as file.py:function"
        )
    make = factory_of(name)
    module = make()
    data = name if isinstance(module, Stored) else ""
    return ModelSpec(name, lambda: in_single(make()), _shape_of(module), (), data).in_form(form)


def _shape_of(module: nn.Module) -> tuple[int, int, int] | None:
    """What a module says its images are, if it says it."""
    told = getattr(module, "shape", None)
    if told is None:
        return None
    try:
        height, width, channels = (int(side) for side in told)
    except (TypeError, ValueError):
        height = width = channels = 0
    if min(height, width) > 0 and channels in COLOURS:
        return height, width, channels
    raise BadRequestError(
        "`shape` of a model is (height, width, channels) with 1 (grey) or 3 (colour) channels, "
        f"such as (224, 224, 3), not {told}"
    )


def build_model(name: str, form: Form = PLAIN) -> nn.Module:
    """A new module in eval mode; see `model_spec` for names and errors."""
    return model_spec(name, form).build().eval()


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
