"""A network of a thousand classes and one of two hundred layers, as small as they can be."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.bundles.estimate import Estimate
from ndcore.cli import main
from ndcore.data.sources import ImageSource
from ndcore.networks.registry import model_spec

SHAPE = (8, 8, 3)
DEEP = 200
PER_CLASS = 14
HELD = ("class 003", "class 500")  # of which `build_untouched` has images


def thousand() -> nn.Module:
    """1,000 outputs."""
    torch.manual_seed(0)
    return nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(3, 8, 3, padding=1),
            relu=nn.ReLU(),
            pool=nn.AdaptiveAvgPool2d(2),
            flat=nn.Flatten(),
            hidden=nn.Linear(32, 64),
            active=nn.ReLU(),
            head=nn.Linear(64, 1000),
        )
    )


def knows_one() -> nn.Module:
    """1,000 outputs, that of class 500 the largest by far."""
    net = thousand()
    head = net.get_submodule("head")
    assert isinstance(head, nn.Linear)
    with torch.no_grad():
        head.bias[500] = 9.0
    return net


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + 0.1 * self.conv(x))


def deep() -> nn.Module:
    """200 layers with long names."""
    torch.manual_seed(0)
    parts: list[tuple[str, nn.Module]] = [("stem", nn.Conv2d(3, 4, 3, padding=1))]
    parts += [(f"stage{i // 50}_block{i % 50}_residual", Residual()) for i in range(DEEP - 2)]
    parts += [("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("head", nn.Linear(4, 3))]
    return nn.Sequential(OrderedDict(parts))


def observed(name: str) -> tuple[str, ...]:
    """The layers of a network by its name here."""
    if name == "thousand":
        return ("relu", "active", "head")
    return tuple(part for part, _ in deep().named_children() if part not in ("pool", "flat"))


def noise(classes: int, held: int, per_class: int = PER_CLASS) -> ImageSource:
    """Images of noise with a cast of their class, of the last `held` of `classes` classes."""
    labels = np.repeat(np.arange(classes - held, classes), per_class)

    def read(at: int) -> np.ndarray:
        pixels = np.random.default_rng(at).integers(0, 200, SHAPE).astype(np.uint8)
        pixels[..., labels[at] % 3] += np.uint8(labels[at] % 56)
        return pixels

    names = tuple(f"class {label:03d}" for label in range(classes))
    return ImageSource(
        name="noise",
        classes=names,
        ids=tuple(f"noise:{at}" for at in range(len(labels))),
        labels=labels.astype(np.int64),
        parts=("",) * len(labels),
        lossless=np.ones(len(labels), np.bool_),
        shape=SHAPE,
        read=read,
        absent=names[: classes - held],
    )


def built(
    name: str, source: ImageSource, on_cost: Callable[[Estimate], None] | None = None
) -> Bundle:
    """A bundle of one of these networks, without a gallery, in the cache of the test."""
    spec = replace(model_spec(f"{Path(__file__).resolve()}:{name}"), shape=SHAPE)
    config = BuildConfig(name, spec.name, gallery=0, gallery_images=0, layers=observed(name))
    build(config, source, spec=spec, on_cost=on_cost)
    return load_bundle(name)


def build_untouched(place: Path, side: int) -> None:
    """Bundle `mine` of `knows_one` from images of two classes in `place/images`; no attack."""
    (place / "names.txt").write_text("\n".join(f"class {label:03d}" for label in range(1000)))
    rng = np.random.default_rng(0)
    for name in HELD:
        (place / "images" / name).mkdir(parents=True)
        for at in range(16):
            pixels = rng.integers(0, 256, (side, side, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(place / "images" / name / f"{at:02d}.png")
    asked = ["--data", str(place / "images"), "--classes", str(place / "names.txt")]
    model = f"{Path(__file__).resolve()}:knows_one"
    assert main(["build", "mine", "--model", model, *asked, "--gallery", "0"]) == 0
