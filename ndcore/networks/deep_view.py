"""The networks of Deep View's Fig. 4, each step a named layer, so that all of them can be watched.

Layers are named by kind and number (`conv1`, `pool1`, `relu1`, ...), so that two networks line up
by name; the paper's "layer4" is the fourth of them. The order of steps, the overlapping 3x3 pools
of stride 2 and the kinds of pool are those of MatConvNet's CIFAR-10 examples, whose layer numbers
the paper uses.

Reference: Zhong et al. 2017, "Evolutionary visual analysis of deep neural networks".
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from ndcore.networks.normalize import CIFAR10_MEAN, CIFAR10_STD, Normalize

CLASSES = 10
DIGITS_MEAN, DIGITS_STD = 0.3053, 0.3761

# conv:KERNEL:UNITS keeps the size of a map, last:KERNEL:UNITS takes whole kernels only.
SHALLOW = "conv:5:16 max relu conv:5:20 relu avg conv:5:20 relu avg last:{end}:10"
LENET = (
    "conv:5:{a} max relu conv:5:{a} {bn2} relu avg conv:5:{b} relu avg last:{end}:{b} relu "
    "last:1:10"
)
NIN = (
    "conv:5:192 relu conv:1:160 relu conv:1:96 relu max-floor dropout "
    "conv:5:192 relu conv:1:192 relu conv:1:192 relu avg-floor dropout "
    "conv:3:192 relu conv:1:192 relu conv:1:10 avg7"
)


@dataclass(frozen=True)
class Network:
    """One network of the figure.

    Attributes:
        steps: its layers in order.
        paper_accuracy: CIFAR-10 test accuracy that the paper states, in %, or None.
        shape: image shape (H, W, C).
    """

    steps: tuple[str, ...]
    paper_accuracy: float | None = None
    shape: tuple[int, int, int] = (32, 32, 3)


def _lenet(a: int = 32, b: int = 64, bn2: str = "", end: int = 4) -> tuple[str, ...]:
    return tuple(LENET.format(a=a, b=b, bn2=bn2, end=end).split())


def _shallow(end: int = 4) -> tuple[str, ...]:
    return tuple(SHALLOW.format(end=end).split())


def _with_norms(steps: Sequence[str]) -> tuple[str, ...]:
    """Batch norm after every convolution but the classifier, whose units are the logits."""
    convs = [index for index, step in enumerate(steps) if step.startswith(("conv", "last"))]
    found: list[str] = []
    for index, step in enumerate(steps):
        found += [step, "bn"] if index in convs[:-1] else [step]
    return tuple(found)


def _with_sigmoid(steps: Sequence[str], number: int, norm: bool = False) -> tuple[str, ...]:
    """A sigmoid in the place of the `number`-th ReLU, after a batch norm if asked."""
    relus = [index for index, step in enumerate(steps) if step == "relu"]
    at = relus[number - 1]
    return (*steps[:at], *(["bn"] if norm else []), "sig", *steps[at + 1 :])


def _deep() -> tuple[str, ...]:
    blocks = ["conv:5:32 max relu", *["conv:5:32 relu"] * 4, "avg", *["conv:5:64 relu"] * 8]
    blocks += ["avg", *["conv:4:64 relu"] * 3, "last:4:64 relu", "last:1:10"]
    return tuple(" ".join(blocks).split())


_NIN = tuple(NIN.split())
_GREY = (8, 8, 1)

NETWORKS: dict[str, Network] = {
    "shallow": Network(_shallow(), 74.91),
    "lenet": Network(_lenet(), 80.24),
    "lenet-w": Network(_lenet(256, 512), 77.80),
    "lenet-d": Network(_deep(), 79.71),
    "lenet-w-bn": Network(_lenet(256, 512, "bn"), 82.40),
    "lenet-sig1": Network(_with_sigmoid(_lenet(), 1), 74.57),
    "lenet-sig4": Network(_with_sigmoid(_lenet(), 4), 80.07),
    "lenet-sig4-bn": Network(_with_sigmoid(_lenet(), 4, norm=True), 82.36),
    "nin": Network(_NIN, 89.16),
    "shallow-bn": Network(_with_norms(_shallow())),
    "lenet-bn": Network(_with_norms(_lenet())),
    "nin-bn": Network(_with_norms(_NIN)),
    # The same chains on 8x8 digits, where the pools leave a map of 1x1.
    "shallow-digits": Network(_shallow(end=1), shape=_GREY),
    "lenet-digits": Network(_lenet(end=1), shape=_GREY),
    "lenet-bn-digits": Network(_with_norms(_lenet(end=1)), shape=_GREY),
    "lenet-sig4-digits": Network(_with_sigmoid(_lenet(end=1), 4), shape=_GREY),
}


def build_network(name: str) -> nn.Sequential:
    """A new network of `NETWORKS` with random weights: He et al. 2015, biases 0."""
    network = NETWORKS[name]
    channels = network.shape[2]
    colour = channels == 3
    mean, std = (CIFAR10_MEAN, CIFAR10_STD) if colour else ((DIGITS_MEAN,), (DIGITS_STD,))
    layers: OrderedDict[str, nn.Module] = OrderedDict(normalize=Normalize(mean, std))
    seen: Counter[str] = Counter()
    convs = 0
    for step in network.steps:
        kind, *sizes = step.split(":")
        if kind in ("conv", "last"):
            kernel, units = map(int, sizes)
            convs += 1
            layers[f"conv{convs}"] = _convolution(channels, units, kernel, kind == "last")
            channels = units
        elif kind in ("relu", "sig", "bn"):
            # Numbered by their convolution: relu4 follows conv4 in every network.
            layers[f"{kind}{convs}"] = _elementwise(kind, channels)
        else:
            label = "drop" if kind == "dropout" else "pool"
            seen[label] += 1
            layers[f"{label}{seen[label]}"] = _pool(kind)
    layers["flatten"] = nn.Flatten()
    model = nn.Sequential(layers)
    model.layers = _observed(layers)  # type: ignore[assignment]
    return model


def _observed(layers: OrderedDict[str, nn.Module]) -> tuple[str, ...]:
    """The layers whose units a bundle describes: activations, and the logits at the end."""
    names = [name for name in layers if name.startswith(("relu", "sig"))]
    convs = [name for name in layers if name.startswith(("conv", "pool"))]
    return (*names, convs[-1])


def _convolution(channels: int, units: int, kernel: int, whole: bool) -> nn.Module:
    padding = 0 if whole else kernel // 2
    conv = nn.Conv2d(channels, units, kernel, padding=padding if kernel % 2 else 0)
    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
    assert conv.bias is not None
    nn.init.zeros_(conv.bias)
    if whole or kernel % 2:
        return conv
    # An even kernel keeps the size of a map only with one pixel more after it than before it.
    before, after = (kernel - 1) // 2, kernel // 2
    pad = nn.ZeroPad2d((before, after, before, after))
    return nn.Sequential(OrderedDict(pad=pad, conv=conv))


def _elementwise(kind: str, units: int) -> nn.Module:
    if kind == "bn":
        return nn.BatchNorm2d(units)
    return nn.Sigmoid() if kind == "sig" else nn.ReLU()


def _pool(kind: str) -> nn.Module:
    if kind == "dropout":
        return nn.Dropout(0.5)
    if kind == "avg7":
        return nn.AvgPool2d(7)
    up = not kind.endswith("-floor")
    if kind.startswith("max"):
        return nn.MaxPool2d(3, stride=2, ceil_mode=up)
    return nn.AvgPool2d(3, stride=2, ceil_mode=up)
