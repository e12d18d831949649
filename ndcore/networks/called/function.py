"""A function of images as a module: no weights, no gradient and no parts, only its answer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from ndcore.errors import BadRequestError, NeuralDivergenceError, line_of

MOST = 256  # images of one call
LONGEST_S = 0.5  # of a call, after which fewer are asked at once
Answer = Callable[[NDArray[np.uint8]], Any]


class Called(nn.Module):
    """Whatever answers images, behind the interface of a module.

    Args:
        answer: pixels uint8 (N, H, W, C), of any N up to `MOST`, to probabilities or logits
            (N, classes): an array, a tensor, or several of them by name or in a tuple. Several
            threads may call it at once.
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
        self._at_once = MOST
        told = shape or getattr(answer, "shape", None)
        if told is not None:
            self.shape = told

    def forward(self, images: Tensor) -> Any:
        """Images float32 (N, C, H, W) in [0, 1] -> its answer as tensors, in its own precision.

        Raises:
            BadRequestError: it fails on such images, answers with no numbers, or a gradient is
                wanted.
        """
        if isinstance(images, fx.Proxy):
            raise TypeError("a function has no graph")
        if images.requires_grad and torch.is_grad_enabled():
            raise BadRequestError(
                f"{self.name} can only be called, so there is no gradient to follow: use fast or de"
            )
        pixels = to_pixels(images)
        parts: list[Any] = []
        while not parts or len(pixels):
            torch.empty(0)  # between two calls a stop is heard
            asked, started = pixels[: self._at_once], perf_counter()
            parts.append(self._answered(asked))
            took = perf_counter() - started
            if took > LONGEST_S:
                self._at_once = max(1, int(len(asked) * LONGEST_S / took))
            pixels = pixels[len(asked) :]
        return _joined(parts)

    def _answered(self, pixels: NDArray[np.uint8]) -> Any:
        try:
            found = self.answer(pixels)
        except NeuralDivergenceError:
            raise
        except Exception as error:  # whatever foreign code raises
            raise BadRequestError(
                f"{self.name} does not take uint8 images {pixels.shape}: "
                f"{type(error).__name__}: {line_of(error)}"
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


def _joined(parts: Sequence[Any]) -> Any:
    """Answers of one form, one after another."""
    first = parts[0]
    if len(parts) == 1:
        return first
    if isinstance(first, dict):
        return {name: torch.cat([part[name] for part in parts]) for name in first}
    if isinstance(first, tuple):
        return tuple(torch.cat(each) for each in zip(*parts, strict=True))
    return torch.cat(list(parts))


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
