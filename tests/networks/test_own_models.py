"""Models that people bring: files beside files, odd outputs, weights beyond half precision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ndcore.errors import BadRequestError
from ndcore.networks.forward import forward
from ndcore.networks.registry import build_model
from ndcore.networks.weights import load_weights, rounded, save_weights


def test_a_factory_finds_the_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "parts_beside.py").write_text("from torch import nn\nHead = nn.Flatten\n")
    own = tmp_path / "own.py"
    own.write_text("def make():\n    from parts_beside import Head\n    return Head()\n")
    assert isinstance(build_model(f"{own}:make"), nn.Flatten)


IMAGE = np.zeros((2, 4, 4, 3), np.uint8)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (nn.Identity(), r"must return logits .* returned \(2, 3, 4, 4\)"),
        (nn.Sequential(nn.Flatten(), nn.Linear(7, 2)), "does not take float32 images"),
        (nn.Sequential(nn.Flatten(), nn.Linear(48, 2).double()), "does not take float32 images"),
    ],
)
def test_a_model_that_breaks_the_contract_is_one_sentence(model: nn.Module, why: str) -> None:
    with pytest.raises(BadRequestError, match=why):
        forward(model, IMAGE)


def test_a_model_without_weights_runs() -> None:
    assert forward(nn.Flatten(), IMAGE).shape == (2, 48)


@pytest.mark.parametrize("scale", [1e5, 1e-7, 1.0])
def test_weights_beyond_half_precision_are_kept(tmp_path: Path, scale: float) -> None:
    model, other = nn.BatchNorm2d(3).eval(), nn.BatchNorm2d(3).eval()
    assert model.running_var is not None
    model.running_var.copy_(torch.tensor([1.0, 2.0, 3.0]) * scale)
    save_weights(tmp_path / "w", model.state_dict(), half=True)
    load_weights(other, tmp_path / "w")
    assert other.running_var is not None
    assert torch.allclose(other.running_var, model.running_var, rtol=2e-3)
    assert rounded(model.running_var).dtype == (torch.float16 if scale == 1 else torch.float32)
