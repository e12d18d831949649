"""How a score of a model's answer changes with the values of an image, by its gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.errors import BadRequestError
from ndcore.networks.forward import device_of, first_line, to_images

# What torch says of a model that leaves it, for numpy or by `detach`, between image and answer.
LEFT = ("does not require grad", "on Tensor that requires grad", "Inference tensors cannot be")


def gradient_of(
    model: nn.Module, image: NDArray[np.uint8], score: Callable[[Tensor], Tensor]
) -> NDArray[np.float32]:
    """Gradient float32 (H, W, C) of a score by the values of an image, per 8-bit step.

    Args:
        model: in eval mode; nothing is added to the gradients of its parameters.
        image: uint8 (H, W, C).
        score: of logits (classes,).

    Raises:
        BadRequestError: the answer does not follow the image as far as torch can tell.
    """
    # Callers may forbid gradients around us.
    with torch.inference_mode(False), torch.enable_grad():
        seen = to_images(image[None]).to(device_of(model)).requires_grad_()
        why = "its answer does not hang on the image"
        try:
            (found,) = torch.autograd.grad(score(model(seen)[0].float()), seen, allow_unused=True)
        except RuntimeError as error:
            why = first_line(error)
            if any(told in why for told in LEFT):
                raise BadRequestError(
                    "the model can only be called, so there is no gradient to follow: use fast "
                    "or de"
                ) from error
            found = None
    if found is None:
        raise BadRequestError(f"the model gives no gradient to follow ({why}): use fast or de")
    return np.asarray(found[0].permute(1, 2, 0).float().cpu().numpy() / 255)
