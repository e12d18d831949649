"""A function of images as a module: no weights, no gradient and no parts, only its answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from ndcore.errors import BadRequestError, NeuralDivergenceError

Answer = Callable[[NDArray[np.uint8]], Any]


class Called(nn.Module):
    """Whatever answers images, behind the interface of a module.

    Args:
        answer: pixels uint8 (N, H, W, C), of any N, to probabilities or logits (N, classes):
            an array, a tensor, or several of them by name or in a tuple. Several threads may call
            it at once.
        name: what errors call it.
        shape: (H, W, C) of its images, where that is known.
        digest: tells its contents from others, where it has any beside its answers.
    """

    def __init__(
        self,
        answer: Answer,
        name: str,
        shape: tuple[int, int, int] | None = None,
        digest: str = "",
    ) -> None:
        super().__init__()
        self.answer, self.name, self.digest = answer, name, digest
        told = shape or getattr(answer, "shape", None)
        if told is not None:
            self.shape = told

    def forward(self, images: Tensor) -> Any:
        """Images float32 (N, C, H, W) in [0, 1] -> its answer as tensors, in its own precision.

        Raises:
            BadRequestError: it fails on such images, or answers with no numbers.
        """
        if isinstance(images, fx.Proxy):
            raise TypeError("a function has no graph")
        pixels = to_pixels(images)
        try:
            found = self.answer(pixels)
        except NeuralDivergenceError:
            raise
        except Exception as error:  # whatever foreign code raises
            told = (str(error).strip().splitlines() or [""])[0]
            raise BadRequestError(
                f"{self.name} does not take uint8 images {pixels.shape}: "
                f"{type(error).__name__}: {told}"
            ) from error
        if isinstance(found, Mapping):
            return {str(name): self._tensor(part) for name, part in found.items()}
        if isinstance(found, tuple):
            return tuple(self._tensor(part) for part in found)
        return self._tensor(found)

    def _tensor(self, found: Any) -> Tensor:
        tensor = found.detach().cpu() if isinstance(found, Tensor) else None
        if tensor is None:
            array = np.asarray(found)
            if array.dtype.kind not in "fiub":
                raise BadRequestError(
                    f"{self.name} must answer with numbers (N, classes), probabilities or logits, "
                    f"not with a {type(found).__name__} of {array.dtype}"
                )
            tensor = torch.from_numpy(np.array(array))  # its own memory, which may be written to
        return tensor if tensor.dtype == torch.float64 else tensor.float()

    def __deepcopy__(self, memo: dict[int, Any]) -> Called:
        return self  # nothing in it is ours to change, and much of it cannot be copied


def to_pixels(images: Tensor) -> NDArray[np.uint8]:
    """Images (N, C, H, W) in [0, 1] -> pixels uint8 (N, H, W, C): those they were made from."""
    levels = images.detach().cpu().float().mul(255).round().clamp(0, 255)
    return np.ascontiguousarray(levels.to(torch.uint8).permute(0, 2, 3, 1).numpy())


def takes(function: object, count: int) -> bool:
    """Whether a function can be called with so many arguments and no more is required."""
    try:
        inspect.signature(function).bind(*[None] * count)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
