"""Plain forward passes: pixels in, logits out, and the accuracy of a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.data.sources import ImageSource
from ndcore.errors import BadRequestError, NeuralDivergenceError
from ndcore.statistics.intervals import Rate
from ndcore.steps import in_parts

BATCH = 64  # images in one pass; more gain nothing on a processor
# Pixels in one pass: buffers beyond 32 MB are given back to the system and cleared anew each time,
# which takes as long as the convolutions do.
PIXELS = 64 * 64 * BATCH


def most_images(shape: Sequence[int], most: int = BATCH) -> int:
    """Images (H, W, C) in one pass, at most `most`."""
    return max(1, min(most, PIXELS // (shape[0] * shape[1])))


def to_images(pixels: NDArray[np.uint8]) -> Tensor:
    """Pixels uint8 (N, H, W, C) -> images float32 (N, C, H, W) in [0, 1]."""
    images = torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2)
    return images.to(torch.float32).div_(255)


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters lie; the CPU if it has none."""
    weight = next(model.parameters(), None)
    return torch.device("cpu") if weight is None else weight.device


def laid_out(model: nn.Module) -> nn.Module:
    """The model, its weights in the order of memory that convolutions run fastest in, in place."""
    try:
        return model.to(memory_format=torch.channels_last)
    except RuntimeError:  # weights of five dimensions know no such order
        return model


def forward(model: nn.Module, images: NDArray[np.uint8] | Tensor) -> Tensor:
    """Logits (N, classes) of one batch, without gradients.

    Args:
        model: on any device.
        images: pixels uint8 (N, H, W, C), or float images (N, C, H, W).

    Raises:
        BadRequestError: the model does not take such images, or returns something else.
    """
    batch = images if isinstance(images, Tensor) else to_images(images)
    with torch.inference_mode():
        batch = batch.to(device_of(model)).contiguous(memory_format=torch.channels_last)
        try:
            logits = model(batch)
        except (torch.OutOfMemoryError, NeuralDivergenceError):
            raise
        except Exception as error:  # whatever foreign code raises
            told = f"float32 images {tuple(batch.shape)}: {first_line(error)}"
            raise BadRequestError(f"the model does not take {told}") from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != len(batch):
        kind = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
        raise BadRequestError(f"a model must return logits (N, classes); this one returned {kind}")
    return logits


def first_line(error: Exception) -> str:
    """What foreign code complains of, without the trace that some of it adds."""
    lines = str(error).strip().splitlines() or [""]
    # TorchScript puts the place first and what happened last.
    line = lines[-1 if "TorchScript" in str(error) else 0]
    return line if isinstance(error, RuntimeError) else f"{type(error).__name__}: {line}"


def pick_device(name: str = "auto") -> torch.device:
    """`auto` is the GPU where there is one, else the CPU.

    Raises:
        BadRequestError: no such device here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise BadRequestError(f"device '{name}' is not available on this machine") from error
    return device


def predict(model: nn.Module, source: ImageSource, members: Sequence[int]) -> NDArray[np.float32]:
    """Logits float32 (n, classes) of the images at `members`, in float32, in eval mode."""
    was_training = model.training
    model.eval()
    try:
        rows = [
            forward(model, source.pixels(members[part])).cpu().numpy()
            for part in in_parts(len(members), most_images(source.shape))
        ]
    finally:
        model.train(was_training)
    return np.concatenate(rows).astype(np.float32)


def evaluate(model: nn.Module, source: ImageSource, members: Sequence[int]) -> dict[str, Any]:
    """Accuracy over the images at `members`.

    Returns:
        `{n, accuracy, ci95, per_class: {class: {n, accuracy}}, lossless}`; `lossless` is the
        number of those images whose files are lossless.

    Raises:
        BadRequestError: there are no images.
    """
    if not len(members):
        raise BadRequestError("there are no images to evaluate on")
    labels = source.labels[list(members)]
    logits = predict(model, source, members)
    # What is no number is no prediction.
    right = (logits.argmax(1) == labels) & np.isfinite(logits).all(1)
    per_class = {
        name: {"n": int((labels == c).sum()), "accuracy": float(right[labels == c].mean())}
        for c, name in enumerate(source.classes)
        if (labels == c).any()
    }
    found = Rate(int(right.sum()), len(members)).to_dict("accuracy")
    return found | {
        "per_class": per_class,
        "lossless": int(source.lossless[list(members)].sum()),
    }
