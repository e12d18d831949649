"""Stored activations behind the interface of a module: it knows its own images and no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, fx, nn

from ndcore.data.stored.file import StoredActivations, read_activations
from ndcore.errors import BadRequestError, DataError
from ndcore.networks.called.function import to_pixels

STORED = (
    "this bundle holds stored activations instead of a model, so nothing can be asked of an image "
    "that is not among them, such as a changed one"
)


class Values2d(nn.Module):
    """A layer whose values are known; parts of it may be layers themselves."""

    def forward(self, values: Tensor) -> Tensor:
        """What was stored: (N, units) or (N, units, rows, columns)."""
        return values


class Stored(nn.Module):
    """Answers images by what is stored of them.

    Attributes:
        layers: names; shape: (H, W, C) of its images; digest: of its file.
    """

    def __init__(self, held: StoredActivations) -> None:
        super().__init__()
        self.held, self.digest = held, held.digest
        self.layers = tuple(held.layers)
        height, width, channels = held.images.shape[1:]
        self.shape = (height, width, channels)
        self._parts = {name: self._part(name) for name in self.layers}
        self._rows: dict[bytes, int] = {}
        for row, image in enumerate(held.images):
            first = self._rows.setdefault(image.tobytes(), row)
            if not np.array_equal(held.logits[first], held.logits[row]):
                raise DataError(
                    f"images {first} and {row} of '{held.path}' are equal but not their answers"
                )

    def _part(self, name: str) -> nn.Module:
        place: nn.Module = self
        for step in name.split("."):
            inside = dict(place.named_children()).get(step)
            if inside is None:
                if hasattr(place, step):
                    raise DataError(f"a layer of '{self.held.path}' cannot be named '{step}'")
                inside = Values2d()
                place.add_module(step, inside)
            place = inside
        return place

    def forward(self, images: Tensor) -> Tensor:
        """Images float32 (N, C, H, W) in [0, 1] -> logits (N, classes).

        A black image that is not among them stands for none: its layers are 0 and its logits no
        numbers.

        Raises:
            BadRequestError: another image is not among them.
        """
        if isinstance(images, fx.Proxy):
            raise TypeError("what is stored has no graph")
        pixels = to_pixels(images)
        rows = np.array([self._rows.get(image.tobytes(), -1) for image in pixels], np.int64)
        if pixels[rows < 0].any():
            raise BadRequestError(STORED)
        for name, part in self._parts.items():
            part(self._of(self.held.layers[name], rows, 0.0))
        return self._of(self.held.logits, rows, np.nan)

    def _of(self, values: Any, rows: Any, absent: float) -> Tensor:
        found = values[rows]
        found[rows < 0] = absent
        return torch.from_numpy(found)

    def __deepcopy__(self, memo: dict[int, Any]) -> Stored:
        return self


def stored_model(name: str) -> Stored:
    """The network whose activations are in a file.

    Raises:
        DataError: the file is not of that form.
    """
    return Stored(read_activations(name))
