"""The images that a benchmark of attacks runs on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks import AttackConfig, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_data, open_source
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError
from ndcore.networks.forward import predict


@dataclass(frozen=True)
class Targets:
    """Correctly classified lossless images of a source: pixels uint8 (N, H, W, C)."""

    bundle: Bundle
    pixels: NDArray[np.uint8]
    labels: list[int]
    ids: list[str]
    source: str

    def __len__(self) -> int:
        return len(self.ids)

    def first(self, n: int) -> Targets:
        """The first `n` of them."""
        return replace(self, pixels=self.pixels[:n], labels=self.labels[:n], ids=self.ids[:n])

    def attack(self, config: AttackConfig, **options: Any) -> list[AttackResult]:
        """See `ndcore.attacks.attack_images`."""
        return attack_images(
            self.bundle.model, self.pixels, self.labels, self.ids, config, **options
        )


def choose_targets(bundle: Bundle, n: int, data: str | None, seed: int) -> Targets:
    """The first `n` in a seeded random order.

    Raises:
        BadRequestError: there is none, or the data is not the bundle's.
    """
    source: ImageSource
    if data:
        source = open_data(data, bundle.shape)
        members = positions(source, bundle.splits["evaluation"])
    else:
        source = open_source("samples" if bundle.shape == (32, 32, 3) else "digits")
        members = list(range(len(source)))
    if source.classes != bundle.classes or source.shape != bundle.shape:
        raise BadRequestError(f"the images of {source.name} are not those of {bundle.name}")
    lossless = np.array([i for i in members if source.lossless[i]])
    chosen: list[int] = []
    for start in range(0, len(lossless), 256):
        part = np.random.default_rng(seed).permutation(lossless)[start : start + 256].tolist()
        right = predict(bundle.model, source, part).argmax(1) == source.labels[part]
        chosen += [i for i, good in zip(part, right, strict=True) if good]
        if len(chosen) >= n:
            break
    chosen = chosen[:n]
    if not chosen:
        raise BadRequestError("there are no correctly classified lossless images to attack")
    ids = [source.ids[i] for i in chosen]
    labels = source.labels[chosen].tolist()
    return Targets(bundle, source.pixels(chosen), labels, ids, source.name)
