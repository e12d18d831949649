"""Which layers there are, which are worth observing, and that units are units in each of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.activations.capture import unit_layout
from ndcore.activations.histograms import BINS, ClassHistograms
from ndcore.activations.hold import Clamp, clamped
from ndcore.activations.layout import Tokens
from ndcore.activations.proposal import layers_of, proposed_layers
from ndcore.activations.reading import read_pixels
from ndcore.bundles.bundle import load_bundle
from ndcore.cli import main
from ndcore.errors import BadRequestError
from tests.own import kinds

KINDS = Path(kinds.__file__).resolve()
SHAPE = (12, 12, 3)


def some_pixels(count: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *SHAPE)).astype(np.uint8)


def outputs(model: nn.Module, part: str, pixels: np.ndarray) -> list[Tensor]:
    """What a part gives in plain torch, call by call."""
    found: list[Tensor] = []
    handle = model.get_submodule(part).register_forward_hook(
        lambda _part, _inputs, output: found.append(output.clone())
    )
    with torch.no_grad():
        model(torch.from_numpy(pixels.astype(np.float32) / 255).permute(0, 3, 1, 2).contiguous())
    handle.remove()
    return found


@pytest.mark.spec("OM-3")
@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("sequential", ("relu1", "relu2", "relu3", "fc2")),
        ("plain", ("c1", "c2", "fc")),
        ("residual", ("relu#2", "fc")),
        ("reused", ("c2#1", "c2#2", "fc")),
        ("depthwise", ("4", "7")),
        ("unused", ("c1", "c2", "fc")),
        ("tuple-inside", ("block.conv", "fc")),
        ("wrapped", ("net.c1", "net.c2", "net.fc")),
        ("swin", ("features.1.1.mlp.1", "features.3.0.mlp.1", "head")),
        ("convnext", ("features.1.0.block.4", "features.3.0.block.4", "classifier")),
        (
            "transformer",
            (
                "conv_proj",
                "encoder.layers.encoder_layer_0.mlp.1",
                "encoder.layers.encoder_layer_1.mlp.1",
                "encoder.layers.encoder_layer_1.mlp.1@class",
                "heads",
            ),
        ),
        ("gated", ("net.1", "net.4", "net.7")),
    ],
)
def test_the_last_of_each_resolution_hidden_units_and_dense_layers_are_proposed(
    kind: str, layers: tuple[str, ...]
) -> None:
    model = kinds.FINE[kind]().eval()
    assert proposed_layers(model, SHAPE) == layers
    rows = {row.name: row for row in layers_of(model, SHAPE)}
    assert all(rows[name].reason and rows[name].units for name in layers)


@pytest.mark.parametrize(
    ("kind", "part", "axis"),
    [
        ("transformer", "encoder.layers.encoder_layer_0.mlp.1", "tokens"),
        ("swin", "features.1.1.mlp.1", "last"),
        ("swin", "features.1", "last"),
        ("convnext", "features.1", "first"),
        ("residual", "bn1", "first"),
    ],
)
def test_units_are_features_whatever_axis_they_lie_on(kind: str, part: str, axis: str) -> None:
    model, pixels = kinds.FINE[kind]().eval(), some_pixels()
    (own,) = outputs(model, part, pixels)
    if axis == "tokens":
        own = own[:, 1:].transpose(1, 2)  # the class token lies at no place
    elif axis == "last":
        own = own.movedim(-1, 1)
    own = own.flatten(2)
    found = read_pixels(model, [part], pixels)
    np.testing.assert_allclose(found.values(part, "max"), own.amax(2), atol=1e-6)
    np.testing.assert_allclose(found.values(part, "mean"), own.mean(2), atol=1e-6)


def test_the_class_token_is_a_layer_of_its_own() -> None:
    model, pixels = kinds.FINE["transformer"]().eval(), some_pixels()
    part = "encoder.layers.encoder_layer_1.mlp.1"
    (own,) = outputs(model, part, pixels)
    found = read_pixels(model, [f"{part}@class"], pixels)
    np.testing.assert_allclose(found.values(f"{part}@class", "value"), own[:, 0], atol=1e-6)
    assert unit_layout(model, [f"{part}@class"], SHAPE) == {f"{part}@class": (16, ("value",))}
    with pytest.raises(BadRequestError, match="'heads@class' has no tokens"):
        unit_layout(model, ["heads@class"], SHAPE)


def test_each_call_of_a_part_can_be_named() -> None:
    model, pixels = kinds.FINE["reused"]().eval(), some_pixels()
    own = outputs(model, "c2", pixels)
    names = ["c2#1", "c2#2", "c2"]
    found = read_pixels(model, names, pixels)
    for name, values in zip(names, [*own, own[-1]], strict=True):
        np.testing.assert_allclose(found.values(name, "max"), values.amax((2, 3)), atol=1e-6)
    with pytest.raises(BadRequestError, match=r"'c2#3' is not called in eval mode so often"):
        unit_layout(model, ["c2#3"], SHAPE)
    with pytest.raises(BadRequestError, match="no layer 'c9#1'"):
        unit_layout(model, ["c9#1"], SHAPE)


@pytest.mark.parametrize(
    ("kind", "layer", "reduction"),
    [
        ("transformer", "encoder.layers.encoder_layer_0.mlp.1", "max"),
        ("transformer", "encoder.layers.encoder_layer_1.mlp.1@class", "value"),
        ("swin", "features.1.1.mlp.1", "max"),
        ("reused", "c2#1", "mean"),
    ],
)
def test_units_are_held_where_they_lie(kind: str, layer: str, reduction: str) -> None:
    model, pixels = kinds.FINE[kind]().eval(), some_pixels(2)
    free = read_pixels(model, [layer], pixels)
    values = free.values(layer, reduction)
    where = np.zeros((1, values.shape[1]), np.bool_)
    where[0, 1] = True
    wanted = np.full((1, values.shape[1]), values[:, 1].min() - 1, np.float32)
    clamp = Clamp(where, wanted, reduction)
    with clamped(model, {layer: clamp}):
        held = read_pixels(model, [], pixels)
    assert not np.allclose(held.logits, free.logits, atol=1e-6)
    same = Clamp(where, values.max(0, keepdims=True) + 0 * wanted, reduction)
    if reduction == "value":
        with clamped(model, {layer: Clamp(where, values, reduction)}):
            again = read_pixels(model, [], pixels)
        np.testing.assert_allclose(again.logits, free.logits, atol=1e-6)
    else:
        assert same.values.shape == wanted.shape


@pytest.mark.parametrize(
    ("count", "size", "lead", "grid"),
    [
        (16, (8, 8), 0, (4, 4)),
        (17, (8, 8), 1, (4, 4)),
        (18, (8, 8), 2, (4, 4)),
        (9, (8, 16), 1, (2, 4)),
        (7, (8, 8), 0, (1, 7)),
    ],
)
def test_tokens_lie_on_the_image(
    count: int, size: tuple[int, int], lead: int, grid: tuple[int, int]
) -> None:
    assert Tokens.of(count, size) == Tokens(lead, grid)


def test_what_no_axis_is_known_of_is_refused() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.odd, self.fc = nn.Identity(), nn.Linear(12 * 36, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.odd(x.flatten(1).view(len(x), 36, 12)).flatten(1))

    model = Odd().eval()
    with pytest.raises(BadRequestError, match=r"'odd' gives \(N, 36, 12\), neither .* --layers"):
        unit_layout(model, ["odd"], SHAPE)
    assert proposed_layers(model, SHAPE) == ("fc",)


@pytest.mark.spec("OM-4")
@pytest.mark.parametrize("centre", [1000.0, -1000.0, 5e5])
def test_signed_values_far_from_zero_spread_over_the_bins(
    centre: float, rng: np.random.Generator
) -> None:
    values = rng.normal(centre, 1, (4000, 3)).astype(np.float32)
    values[:, 1] = rng.normal(0, 1, 4000)  # signed around zero
    values[:, 2] = np.maximum(rng.normal(0, 1, 4000), 0)  # after a ReLU
    found = ClassHistograms.empty(1, values[:1000])
    found.update(values, np.zeros(4000, np.int64))
    assert (found.counts[0, :, 1:] > 0).sum(1).min() > BINS / 6
    assert found.counts[0, :, 0].tolist() == [0, 0, int((values[:, 2] == 0).sum())]
    width = (found.hi - found.lo) / BINS
    assert np.abs(found.medians()[0] - np.median(values, 0)).max() <= 1.5 * width.max() + 0.05
    assert found.lo[2] == 0


def test_a_constant_unit_has_a_range() -> None:
    values = np.full((50, 2), 1e6, np.float32)
    values[:, 1] = 0
    found = ClassHistograms.empty(1, values)
    assert (found.lo < found.hi).all()
    found.update(values, np.zeros(50, np.int64))
    assert found.n.tolist() == [50]


def test_layers_on_the_command_line(
    folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, data = f"{KINDS}:sequential", ["--data", str(folder)]
    assert main(["layers", model, *data, "--json", "-"]) == 0
    rows = json.loads(capsys.readouterr().out)["layers"]
    assert {"name", "kind", "units", "positions", "proposed", "reason"} <= rows[0].keys()
    assert [row["name"] for row in rows if row["proposed"]] == ["relu1", "relu2", "relu3", "fc2"]
    assert main(["layers", model, *data]) == 0
    assert "* relu1 (ReLU), 6 units at 12x12: last output at 12x12" in capsys.readouterr().out
    build = ["build", "mine", "--model", model, *data, "--gallery", "0"]
    assert main([*build, "--layers", "conv2", "fc1"]) == 0
    assert load_bundle("mine").layers == ("conv2", "fc1")
    assert main([*build, "--layers", "nothing"]) == 2
    assert "no layer 'nothing'" in capsys.readouterr().err
    # What is wrapped keeps the names that its owner knows.
    named = ["build", "mine", "--model", f"{KINDS}:softmax", *data, "--gallery", "0"]
    assert main([*named, "--layers", "c2", "fc"]) == 0
    assert load_bundle("mine").layers == ("model.c2", "model.fc")


def test_the_layers_of_a_bundle_are_listed_with_those_it_observes(
    folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = f"{Path(kinds.__file__).resolve()}:sequential"
    build = ["build", "mine", "--model", model, "--data", str(folder), "--gallery", "0"]
    assert main([*build, "--layers", "conv2", "fc1"]) == 0
    capsys.readouterr()
    assert main(["layers", "--bundle", "mine", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert main(["layers", model, "--data", str(folder), "--json", "-"]) == 0
    assert found["layers"] == json.loads(capsys.readouterr().out)["layers"]
    assert (found["model"], found["observed"]) == (model, ["conv2", "fc1"])
    assert main(["layers", "--bundle", "mine"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert sum(", observed" in line for line in told) == 2
    for wrong in ([], [model, "--bundle", "mine"]):
        assert main(["layers", *wrong]) == 2
        assert "name a MODEL, or a bundle with --bundle" in capsys.readouterr().err
