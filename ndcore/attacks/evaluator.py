"""Candidates -> logits: the one place where an attack meets the model, and its query counter."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from ndcore.predict import to_images

__all__ = ["Evaluator", "paint"]

BATCH = 64


def paint(
    pixels: NDArray[np.uint8], positions: NDArray[np.int64], colours: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Copies of one image with pixels replaced.

    Args:
        pixels: (H, W, C).
        positions: (P, k, 2) row and col.
        colours: (P, k, C).

    Returns:
        (P, H, W, C). Where positions repeat within a candidate the last colour holds.
    """
    images = np.repeat(pixels[None], len(positions), axis=0)
    which = np.arange(len(positions))
    for index in range(positions.shape[1]):
        images[which, positions[:, index, 0], positions[:, index, 1]] = colours[:, index]
    return images


class Evaluator:
    """Runs candidates of one image through a model in batches and counts them.

    Args:
        model: in eval mode; not changed.
        pixels: the benign image, uint8 (H, W, C).
        max_queries: `batches` gives no candidate beyond this many in all.
        should_stop: asked before every batch.
    """

    def __init__(
        self,
        model: nn.Module,
        pixels: NDArray[np.uint8],
        max_queries: int,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        self.model = model
        self.pixels = pixels
        self.max_queries = max_queries
        self.should_stop = should_stop
        self.queries = 0
        self.stopped = False
        self._device = next(model.parameters()).device

    @property
    def exhausted(self) -> bool:
        """No further query is allowed."""
        return self.stopped or self.queries >= self.max_queries

    def batches(
        self, positions: NDArray[np.int64], colours: NDArray[np.uint8]
    ) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield (slice of the candidates, their logits (n, classes)) until the budget ends.

        Args:
            positions: (P, k, 2).
            colours: (P, k, C).
        """
        start = 0
        while start < len(positions):
            if self.should_stop and self.should_stop():
                self.stopped = True
            if self.exhausted:
                return
            count = min(BATCH, len(positions) - start, self.max_queries - self.queries)
            part = slice(start, start + count)
            self.queries += count
            yield part, self.logits(paint(self.pixels, positions[part], colours[part]))
            start += count

    @torch.inference_mode()
    def logits(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits (n, classes) of whole images (n, H, W, C); not counted."""
        batch = to_images(images).to(self._device)
        found = self.model(batch.contiguous(memory_format=torch.channels_last))
        return np.asarray(found.float().cpu().numpy())
