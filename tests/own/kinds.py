"""Kinds of models that people bring, each as small as it can be: 12x12 colour images, 3 classes.

A factory gives the same weights each time, as one that loads a file does.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models import MobileNetV2, VisionTransformer, resnet18
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.swin_transformer import SwinTransformer


class Base(nn.Module):
    """Two convolutions, functional activations, global average, one dense layer."""

    act = staticmethod(F.relu)

    def __init__(self, outputs: int = 3, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.c1 = nn.Conv2d(channels, 6, 3, padding=1)
        self.c2 = nn.Conv2d(6, 6, 3, padding=1)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(6, outputs)
        with torch.no_grad():  # answers that differ from image to image
            self.fc.weight.mul_(20)

    def feats(self, x: Tensor) -> Tensor:
        x = self.act(self.c1(x))
        return self.act(self.c2(F.max_pool2d(x, 2))).mean((2, 3))

    def forward(self, x: Tensor) -> object:
        return self.fc(self.feats(x))


class InPlaceInput(Base):
    def forward(self, x: Tensor) -> object:
        x.sub_(0.5)
        return super().forward(x)


class InPlace(Base):
    def feats(self, x: Tensor) -> Tensor:
        x = self.c1(x).relu_()
        x += 0.1
        return F.relu(self.c2(x), inplace=True).mul_(2).mean((2, 3))


class Reused(Base):
    def feats(self, x: Tensor) -> Tensor:
        x = F.relu(self.c2(F.relu(self.c1(x))))
        return F.relu(self.c2(F.max_pool2d(x, 2))).mean((2, 3))


class Tuple(Base):
    def forward(self, x: Tensor) -> object:
        found = self.feats(x)
        return found, self.fc(found)


class Field(Base):
    Answer = namedtuple("Answer", "loss logits")

    def forward(self, x: Tensor) -> object:
        return self.Answer(None, super().forward(x))


class Dict(Base):
    def forward(self, x: Tensor) -> object:
        return {"features": self.feats(x), "logits": super().forward(x)}


@dataclass
class Output:
    loss: Tensor | None
    logits: Tensor


class DataClass(Base):
    def forward(self, pixel_values: Tensor) -> object:
        return Output(None, super().forward(pixel_values))


class Plain:
    def __init__(self, logits: object) -> None:
        self.logits = logits


class Object(Base):
    def forward(self, x: Tensor) -> object:
        return Plain(super().forward(x))


class TwoHeads(Base):
    """Two tensors that are both as wide as there are classes."""

    def forward(self, x: Tensor) -> object:
        return super().forward(x), -self.fc(self.feats(x))


class AuxHead(Base):
    """As GoogLeNet: a tuple in training, a tensor in eval mode."""

    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> object:
        found = self.feats(x)
        return (self.fc(found), self.aux(found)) if self.training else self.fc(found)


class Softmax(Base):
    def forward(self, x: Tensor) -> object:
        return F.softmax(super().forward(x), 1)


class LogSoftmax(Base):
    def forward(self, x: Tensor) -> object:
        return F.log_softmax(super().forward(x), 1)


class Sigmoid(Base):
    def forward(self, x: Tensor) -> object:
        return torch.sigmoid(super().forward(x))


class Dropping(Base):
    def forward(self, x: Tensor) -> object:
        return self.fc(self.drop(self.feats(x)))


class AlwaysDropping(Base):
    def forward(self, x: Tensor) -> object:
        return self.fc(F.dropout(self.feats(x), 0.5))


class OfTheBatch(Base):
    def forward(self, x: Tensor) -> object:
        found = self.feats(x)
        return self.fc((found - found.mean(0)) / (found.std(0, unbiased=False) + 1e-3))


class NotANumber(Base):
    def forward(self, x: Tensor) -> object:
        return super().forward(x) / 0.0 * 0.0


class NotANumberInside(Base):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> object:
        return self.fc(torch.nan_to_num(self.inner(self.feats(x)).sub(1e9).log()) + self.feats(x))


class BadWeight(Base):
    def __init__(self) -> None:
        super().__init__()
        with torch.no_grad():
            self.c2.weight[0, 0, 0, 0] = float("inf")


class BlockOfTwo(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(6, 6, 3, padding=1)

    def forward(self, x: Tensor) -> object:
        return F.relu(self.conv(x)), None


class TupleInside(Base):
    def __init__(self) -> None:
        super().__init__()
        self.block = BlockOfTwo()

    def feats(self, x: Tensor) -> Tensor:
        return self.block(F.relu(self.c1(x)))[0].mean((2, 3))


class Unused(Base):
    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(6, 3)


class Wrapped(nn.Module):
    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> object:
        return self.net(x)


class Hidden(nn.Module):
    """The network is held in a list: no parts and no parameters that torch knows of."""

    def __init__(self) -> None:
        super().__init__()
        self.held = [Base().eval()]

    def forward(self, x: Tensor) -> object:
        return self.held[0](x)


class Matrix(nn.Module):
    """Bare parameters: nothing that is a layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.w = nn.Parameter(torch.randn(3 * 144, 3) * 0.2)

    def forward(self, x: Tensor) -> object:
        return x.flatten(1) @ self.w


class Function(nn.Module):
    """A module around numpy: neither weights nor gradients."""

    def forward(self, x: Tensor) -> object:
        weights = np.random.default_rng(0).normal(size=(3 * 144, 3)) * 0.2
        return torch.from_numpy(x.cpu().numpy().reshape(len(x), -1) @ weights).float()


class Volume(nn.Module):
    """Colours as depth of a 3-D convolution."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.c, self.fc = nn.Conv3d(1, 4, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> object:
        return self.fc(F.relu(self.c(x[:, None])).mean((2, 3, 4)) * 30)


class BigNumbers(Base):
    """A batch norm whose variance is beyond float16."""

    def __init__(self) -> None:
        super().__init__()
        self.bn = nn.BatchNorm2d(3)
        self.bn.running_var.fill_(260_100.0)

    def forward(self, x: Tensor) -> object:
        return super().forward(self.bn(x * 1000))


class Residual(nn.Module):
    """A block with a sum, batch norm and one ReLU that runs twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.conv1, self.bn1 = nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> object:
        x = self.relu(self.stem(x))
        x = self.relu(x + self.bn1(self.conv1(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)) * 30


class Tied(nn.Module):
    """Two layers with one weight."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.c1, self.c2 = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.c2.weight = self.c1.weight
        self.fc = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> object:
        return self.fc(F.relu(self.c2(F.relu(self.c1(x)))).mean((2, 3))) * 30


def _act(function: Callable[[Tensor], Tensor]) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        model = Base()
        model.act = function
        return model

    return make


def _shaped(model: nn.Module, shape: object) -> nn.Module:
    model.shape = shape
    return model


def sequential() -> nn.Module:
    torch.manual_seed(0)
    parts = OrderedDict(
        conv1=nn.Conv2d(3, 6, 3, padding=1),
        relu1=nn.ReLU(),
        pool=nn.MaxPool2d(2),
        conv2=nn.Conv2d(6, 6, 3, padding=1),
        relu2=nn.ReLU(),
        mean=nn.AdaptiveAvgPool2d(2),
        flat=nn.Flatten(),
        fc1=nn.Linear(24, 8),
        relu3=nn.ReLU(),
        fc2=nn.Linear(8, 3),
    )
    return nn.Sequential(parts)


def depthwise() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=1),
        nn.ReLU6(),
        nn.Conv2d(6, 6, 3, padding=1, groups=6),
        nn.BatchNorm2d(6),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(6, 3),
    )


def transformer() -> nn.Module:
    torch.manual_seed(0)
    model = VisionTransformer(12, 4, 2, 2, 8, 16, num_classes=3)
    with torch.no_grad():
        model.heads.head.weight.normal_()
    return model


def swin() -> nn.Module:
    torch.manual_seed(0)
    return SwinTransformer([2, 2], 8, [2, 1], [2, 2], [2, 2], num_classes=3)


def convnext() -> nn.Module:
    torch.manual_seed(0)
    return ConvNeXt([CNBlockConfig(4, 8, 1), CNBlockConfig(8, None, 1)], num_classes=3)


class Gate(nn.Module):
    """Squeeze and excite: one number per unit scales the map."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.conv = nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 6, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.sigmoid(self.conv(self.mean(x)))


def gated() -> nn.Module:
    torch.manual_seed(0)
    return Wrapped(
        nn.Sequential(
            nn.Conv2d(3, 6, 3),
            nn.ReLU(),
            nn.Conv2d(6, 6, 3, stride=2),
            Gate(),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        )
    )


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.script(sequential())


FINE: dict[str, Callable[[], nn.Module]] = {
    "plain": Base,
    "sequential": sequential,
    "depthwise": depthwise,
    "residual": Residual,
    "in-place": InPlace,
    "in-place-input": InPlaceInput,
    "reused": Reused,
    "tied": Tied,
    "gelu": _act(F.gelu),
    "tanh": _act(torch.tanh),
    "leaky": _act(F.leaky_relu),
    "tuple": Tuple,
    "named-tuple": Field,
    "dict": Dict,
    "data-class": DataClass,
    "object": Object,
    "aux-head": AuxHead,
    "softmax": Softmax,
    "log-softmax": LogSoftmax,
    "sigmoid": Sigmoid,
    "half": lambda: Base().half(),
    "bfloat16": lambda: Base().bfloat16(),
    "double": lambda: Base().double(),
    "dropout": lambda: Dropping().train(),
    "tuple-inside": TupleInside,
    "unused": Unused,
    "wrapped": lambda: Wrapped(Base()),
    "parallel": lambda: nn.DataParallel(Base()),
    "hidden": Hidden,
    "matrix": Matrix,
    "function": Function,
    "volume": Volume,
    "big-numbers": BigNumbers,
    "scripted": scripted,
    "transformer": transformer,
    "swin": swin,
    "convnext": convnext,
    "gated": gated,
    "not-a-number-inside": NotANumberInside,
}
REFUSED: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "two-heads": (TwoHeads, r"several tensors .* choose one with --output"),
    "four-outputs": (lambda: Base(4), "3 classes but the model tells 4 apart: .* --classes"),
    "one-output": (lambda: Base(1), "two classes need two outputs"),
    "no-logits": (nn.Identity, r"must return logits \(N, classes\)"),
    "not-a-number": (NotANumber, "gives no numbers for image 1"),
    "bad-weight": (BadWeight, r"weight 'c2\.weight' holds values that are no numbers"),
    "always-dropping": (AlwaysDropping, "in another way each time: .* self.training"),
    "of-the-batch": (OfTheBatch, "hangs on the other images of the batch"),
    "four-channels": (lambda: Base(channels=4), "takes 4 channels, but images have 1 or 3"),
    "other-size": (
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(3 * 64, 3)),
        r"does not take float32 images .* --size H W",
    ),
    "shape-of-two": (lambda: _shaped(Base(), (12, 12)), r"\(height, width, channels\)"),
    "shape-of-torch": (lambda: _shaped(Base(), (3, 12, 12)), r"\(height, width, channels\)"),
    "no-module": (lambda: 3, "returned no torch.nn.Module"),
    "fails": (lambda: [][0], "failed: list index out of range"),
}


def whole_resnet18() -> nn.Module:
    """torchvision's, all 11 million weights."""
    torch.manual_seed(0)
    return resnet18(num_classes=3)


def mobile() -> nn.Module:
    """torchvision's MobileNetV2, a quarter as wide and with a block of each of three widths."""
    torch.manual_seed(0)
    return MobileNetV2(3, 0.25, [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 2, 2]])


# What is large, or says much only once it is trained.
TRAINED: dict[str, Callable[[], nn.Module]] = {
    "whole-resnet18": whole_resnet18,
    "mobile": mobile,
    "transformer": transformer,
}


def __getattr__(name: str) -> Callable[[], nn.Module]:
    """Every kind as a factory of this file."""
    key = name.replace("_", "-")
    for known in (FINE, TRAINED):
        if key in known:
            return known[key]
    if key in REFUSED:
        return REFUSED[key][0]
    raise AttributeError(name)
