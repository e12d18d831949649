"""Models: names that can be built, their layers, and weights on disk.

Contract: a model takes images float32 (N, C, H, W) in [0, 1] and returns logits (N, classes).
Normalisation is its first layer. Every capturable layer is a direct, named child whose output
is the layer's activation (after batch norm and ReLU).

Reference: Simonyan & Zisserman 2015, "Very deep convolutional networks" (VGG16).
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from ndcore.atomic import write_bytes
from ndcore.data import CIFAR10_CLASSES
from ndcore.deep_view_networks import NETWORKS, build_network
from ndcore.errors import BadRequestError, BundleError
from ndcore.normalize import CIFAR10_MEAN, CIFAR10_STD, Normalize

__all__ = [
    "MODELS",
    "ModelSpec",
    "Normalize",
    "build_model",
    "layer_names",
    "load_weights",
    "model_spec",
    "save_weights",
    "weight_hash",
]

DIGITS = tuple(str(digit) for digit in range(10))
VGG16_BLOCKS = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


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


def _conv_units(channels: int, units: int) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels, units, 3, padding=1, bias=False),
            norm=nn.BatchNorm2d(units),
            relu=nn.ReLU(inplace=True),
        )
    )


def _dense_units(features: int, units: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(linear=nn.Linear(features, units), relu=nn.ReLU(inplace=True)))


def vgg16_cifar10() -> nn.Sequential:
    """VGG16 for 32x32 images: 13 conv layers with batch norm, dense_1 (512), dense_2 (10)."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["normalize"] = Normalize(CIFAR10_MEAN, CIFAR10_STD)
    channels = 3
    for block, (depth, units) in enumerate(VGG16_BLOCKS, start=1):
        for index in range(1, depth + 1):
            layers[f"block{block}_conv{index}"] = _conv_units(channels, units)
            channels = units
        # The last pool is adaptive so that the early epochs may use smaller images.
        layers[f"block{block}_pool"] = (
            nn.AdaptiveMaxPool2d(1) if block == len(VGG16_BLOCKS) else nn.MaxPool2d(2)
        )
    layers["flatten"] = nn.Flatten()
    layers["dense_1"] = _dense_units(512, 512)
    layers["dense_2"] = nn.Linear(512, len(CIFAR10_CLASSES))
    return nn.Sequential(layers)


def digits_cnn() -> nn.Sequential:
    """A small CNN for 8x8 grey digits: three conv layers, dense_1 (32), dense_2 (10)."""
    return nn.Sequential(
        OrderedDict(
            normalize=Normalize((0.3053,), (0.3761,)),
            block1_conv1=_conv_units(1, 16),
            block1_conv2=_conv_units(16, 16),
            block1_pool=nn.MaxPool2d(2),
            block2_conv1=_conv_units(16, 32),
            block2_pool=nn.MaxPool2d(2),
            flatten=nn.Flatten(),
            dense_1=_dense_units(32 * 2 * 2, 32),
            dense_2=nn.Linear(32, 10),
        )
    )


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


def weight_hash(model: nn.Module) -> str:
    """SHA-256 (hex) over names, shapes and float32 bytes of all weights, in name order."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        values = np.ascontiguousarray(tensor.detach().cpu().numpy())
        digest.update(f"{name}{values.shape}{values.dtype}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def save_weights(
    path: Path,
    tensors: dict[str, Tensor],
    *,
    half: bool = False,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write tensors as safetensors, atomically.

    Args:
        path: target file.
        tensors: name -> tensor.
        half: store floating tensors as float16; only call it on weights already rounded to it.
        metadata: text entries of the file's header.
    """
    kept = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor)
        .detach()
        .cpu()
        .contiguous()
        for name, tensor in tensors.items()
    }
    write_bytes(path, save(kept, metadata=metadata))


def load_weights(model: nn.Module, path: Path) -> nn.Module:
    """Load safetensors weights into `model` (in place, float32) and put it in eval mode.

    Raises:
        BundleError: the file is missing, no safetensors file, or of another architecture.
    """
    if not os.path.isfile(path):
        raise BundleError(f"weights file {path} is missing")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise BundleError(f"weights file {path} is not a readable safetensors file") from error
    expected = model.state_dict()
    wrong = [
        name
        for name in sorted(expected.keys() | tensors.keys())
        if name not in expected
        or name not in tensors
        or expected[name].shape != tensors[name].shape
    ]
    if wrong:
        raise BundleError(
            f"weights file {path} belongs to another model: tensor '{wrong[0]}' does not match"
        )
    model.load_state_dict(
        {name: tensor.to(expected[name].dtype) for name, tensor in tensors.items()}
    )
    return model.eval()
