"""Everything one forward pass says about images: probabilities and every unit's value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from ndcore.activations.capture import capture, reduce_units, reductions_of
from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError
from ndcore.networks.forward import forward, most_images
from ndcore.steps import in_parts

# Images and raw activations of one batch.
BATCH_BYTES = 64 * 2**20
LARGEST_BATCH = 256


@dataclass(frozen=True)
class Reading:
    """What a model made of N images.

    Attributes:
        logits: float32 (N, classes).
        activations: (layer, reduction) -> float32 (N, units).
    """

    logits: NDArray[np.float32]
    activations: dict[tuple[str, str], NDArray[np.float32]]

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Softmax of the logits, (N, classes)."""
        return np.asarray(softmax(self.logits, axis=1), np.float32)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Most probable class, (N,)."""
        return np.asarray(self.logits.argmax(1), np.int64)

    @property
    def confidence(self) -> NDArray[np.float32]:
        """Probability of that class, (N,)."""
        return np.asarray(self.probabilities.max(1))

    def values(self, layer: str, reduction: str) -> NDArray[np.float32]:
        """Unit values (N, units).

        Raises:
            BadRequestError: not read, or the reduction does not fit the layer.
        """
        try:
            return self.activations[layer, reduction]
        except KeyError:
            raise BadRequestError(f"layer '{layer}' was not read with '{reduction}'") from None


@dataclass(frozen=True)
class ImageBytes:
    """What one image costs in memory.

    Attributes:
        raw: bytes of the image as float32 and of every activation of the layers.
        reduced: bytes of the unit values that are kept of it.
        most: images that one pass takes at most, whatever these bytes.
    """

    raw: int
    reduced: int
    most: int = LARGEST_BATCH

    @property
    def batch(self) -> int:
        """Images per pass that `BATCH_BYTES` allows."""
        return images_within(BATCH_BYTES, self.raw, self.most)


def images_within(budget: int, each: int, most: int) -> int:
    """How many images of `each` bytes fit into `budget` bytes: at least 1, at most `most`."""
    return max(1, min(most, budget // max(1, each)))


def image_bytes(model: nn.Module, layers: Sequence[str], shape: tuple[int, int, int]) -> ImageBytes:
    """Measured by one pass of a black image of `shape` (H, W, C).

    Raw activations are counted as if a pass kept those of all layers to its end. A chain of
    layers frees them on its way, which leaves room for what normalisation and the like make.
    """
    image = np.zeros((1, *shape), np.uint8)

    def measured(output: torch.Tensor) -> tuple[int, int]:
        values = 4 * output.shape[1] * len(reductions_of(output))
        return output.nbytes, values

    with capture(model, layers, measured) as found:
        forward(model, image)
    return ImageBytes(
        raw=4 * image.size + sum(raw for raw, _ in found.values()),
        reduced=sum(values for _, values in found.values()),
        most=most_images(shape, LARGEST_BATCH),
    )


def read_pixels(
    model: nn.Module,
    layers: Sequence[str],
    pixels: NDArray[np.uint8],
    reductions: Sequence[str] = ("mean", "max", "value"),
) -> Reading:
    """One float32 pass over pixels uint8 (N, H, W, C); safe to call from several threads.

    Raises:
        BadRequestError: the model's answer to an image is no number.
    """

    def reduced(output: torch.Tensor) -> dict[str, torch.Tensor]:
        wanted = [name for name in reductions_of(output) if name in reductions]
        return {name: reduce_units(output, name) for name in wanted}

    with capture(model, layers, reduced) as found:
        logits = forward(model, pixels)
    activations = {
        (layer, reduction): values.float().cpu().numpy()
        for layer in layers
        for reduction, values in found[layer].items()
    }
    # A copy: logits that are a view of a larger output would keep all of it.
    found_logits = logits.float().cpu().numpy().copy()
    unknown = np.flatnonzero(~np.isfinite(found_logits).all(1))
    if len(unknown):
        raise BadRequestError(
            f"the model gives no numbers for image {unknown[0] + 1} of {len(pixels)}, so there is "
            "no prediction"
        )
    return Reading(found_logits, activations)


def read_source(
    model: nn.Module,
    layers: Sequence[str],
    source: ImageSource,
    members: Sequence[int],
    reductions: Sequence[str] = ("mean", "max", "value"),
    *,
    batch: int | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Reading:
    """The images at `members`, read batch by batch and joined.

    Args:
        model, layers, source: what is read.
        members: positions in the source.
        reductions: which to keep, where they fit the layer.
        batch: images per pass; by default as many as `BATCH_BYTES` allows.
        on_batch: called with the number of images just read.
    """
    if batch is None:
        batch = image_bytes(model, layers, source.shape).batch
    parts = []
    for part in in_parts(len(members), batch):
        chosen = members[part]
        parts.append(read_pixels(model, layers, source.pixels(chosen), reductions))
        if on_batch:
            on_batch(len(chosen))
    keys = parts[0].activations if parts else {}
    return Reading(
        np.concatenate([part.logits for part in parts]),
        {key: np.concatenate([part.activations[key] for part in parts]) for key in keys},
    )
