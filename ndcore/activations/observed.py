"""A network with the distributions of its units: all that judging an image takes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.reading import Reading, read_pixels
from ndcore.errors import BadRequestError
from ndcore.networks.weights import weight_hash


class Observed:
    """A network as it is observed; a bundle is one whose distributions lie on disk.

    Attributes:
        model: in eval mode, returns logits.
        layers: observed ones, in order.
        classes: names.
        shape: (H, W, C) of an image.

    Args:
        histograms: (layer, reduction) -> counts; the others as above.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: tuple[str, ...],
        classes: tuple[str, ...],
        shape: tuple[int, int, int],
        histograms: Mapping[tuple[str, str], ClassHistograms],
    ) -> None:
        self.model = model
        self.layers = layers
        self.classes = classes
        self.shape = shape
        self._histograms = dict(histograms)

    @cached_property
    def weight_hash(self) -> str:
        """Tells these weights from others."""
        return weight_hash(self.model)

    def reductions(self, layer: str) -> tuple[str, ...]:
        """`("mean", "max")` for conv layers, `("value",)` for dense ones.

        Raises:
            BadRequestError: no such layer.
        """
        if layer not in self.layers:
            raise BadRequestError(f"unknown layer '{layer}': choose {', '.join(self.layers)}")
        return tuple(reduction for name, reduction in self._histograms if name == layer)

    def distributions(self, layer: str, reduction: str) -> ClassHistograms:
        """Histograms of every unit of a layer for every class, over the reference images.

        Raises:
            BadRequestError: no such layer, or the reduction does not fit it.
        """
        fits = self.reductions(layer)
        if reduction not in fits:
            raise BadRequestError(
                f"reduction '{reduction}' does not fit {layer}: use {' or '.join(fits)}"
            )
        return self._histograms[layer, reduction]

    def judged_by(self, layer: str) -> str:
        """The reduction to judge by: `max` for conv layers, as a mean hides one changed pixel."""
        return "max" if "max" in self.reductions(layer) else "value"

    def usual(self, layer: str) -> ClassHistograms:
        """The distributions to judge by."""
        return self.distributions(layer, self.judged_by(layer))

    def check(self, pixels: NDArray[np.uint8]) -> None:
        """Refuse what is no uint8 (N, H, W, C) of the model's images.

        Raises:
            BadRequestError: the images have another shape.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[1:] != self.shape:
            raise BadRequestError(
                f"images must be uint8 (N, {self.shape}) but are {pixels.dtype} {pixels.shape}"
            )

    def read(self, pixels: NDArray[np.uint8]) -> Reading:
        """One float32 pass over pixels uint8 (N, H, W, C): probabilities and unit values.

        Raises:
            BadRequestError: the images have another shape.
        """
        self.check(pixels)
        return read_pixels(self.model, self.layers, pixels)
