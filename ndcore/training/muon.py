"""Muon for convolutions: momentum whose update is orthogonalised, on weights of fixed norm.

`torch.optim.Muon` takes matrices only; a convolution is one after flattening its inputs.

Reference: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
STEPS = 4


class ConvMuon(torch.optim.Optimizer):
    """For weights that a batch norm follows: their scale has no effect, so it is kept fixed.

    Args:
        params: weights of shape (out, in, ...).
        lr: length of a step relative to the weights' norm.
        momentum: of the gradient average, Nesterov style.
    """

    def __init__(self, params: Iterable[nn.Parameter], lr: float, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every weight; a closure is not used."""
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if "momentum_buffer" not in state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                average = state["momentum_buffer"]
                average.mul_(group["momentum"]).add_(weight.grad)
                update = weight.grad.add(average, alpha=group["momentum"])
                weight.mul_(weight.shape[0] ** 0.5 / weight.norm())
                flat = _orthogonal(update.reshape(update.shape[0], -1))
                weight.add_(flat.view(update.shape), alpha=-group["lr"])


def _orthogonal(matrix: Tensor) -> Tensor:
    """The nearest semi-orthogonal matrix, roughly, by a quintic Newton-Schulz iteration."""
    a, b, c = NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).bfloat16()
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    found: Tensor = (x.T if tall else x).float()
    return found
