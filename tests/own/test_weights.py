"""Weights as people have them: what torch saves, with the names that wrappers give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from ndcore.errors import BundleError
from ndcore.networks.form import Form, adapted
from ndcore.networks.weights import load_weights
from tests.own import kinds


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod."])
@pytest.mark.parametrize("part", ["", "state_dict"])
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_state_dict_of_torch_loads(prefix: str, part: str, wrapped: bool, tmp_path: Path) -> None:
    own = kinds.Base()
    with torch.no_grad():
        own.fc.bias.copy_(torch.tensor([1.0, 2.0, 3.0]))
    saved = {prefix + name: tensor for name, tensor in own.half().state_dict().items()}
    path = tmp_path / "w.pth"
    torch.save({part: saved, "epoch": 3} if part else saved, path)
    model: nn.Module = kinds.Base()
    model = adapted(model, Form(probabilities=True)) if wrapped else model
    load_weights(model, path)
    inner = model.model if wrapped else model
    assert inner.fc.bias.tolist() == [1.0, 2.0, 3.0]
    assert inner.fc.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("held", "why"),
    [
        ({"a": print}, "holds more than tensors: save model.state_dict"),
        ({"epoch": 3}, "holds no state dict"),
        (nn.Linear(2, 2).state_dict(), "belongs to another model: tensor"),
    ],
)
def test_anything_else_is_refused_in_a_sentence(held: dict, why: str, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save(held, path)
    with pytest.raises(BundleError, match=why):
        load_weights(kinds.Base(), path)


def test_nothing_is_run_that_a_file_says(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"w": Trap()}, tmp_path / "w.pth")
    with pytest.raises(BundleError, match="more than tensors"):
        load_weights(kinds.Base(), tmp_path / "w.pth")
    assert not (tmp_path / "sprung").exists()
