"""The networks of Deep View's Fig. 4."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ndcore.activations.capture import capture
from ndcore.data.sources import ImageSource
from ndcore.errors import DataError
from ndcore.evolution.recording.watch import watched_layers
from ndcore.networks.deep_view import NETWORKS
from ndcore.networks.registry import build_model, layer_names, model_spec
from ndcore.training.loop import train
from ndcore.training.recipes import recipe


@pytest.mark.spec("DV-21")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_logits_and_every_layer_can_be_watched(name: str) -> None:
    model, (height, width, channels) = build_model(name), model_spec(name).shape
    with torch.inference_mode():
        assert model(torch.rand(2, channels, height, width)).shape == (2, 10)
    layers = watched_layers(model, (height, width, channels))
    assert all(layer.field for layer in layers)
    assert [layer.number for layer in layers] == list(range(1, len(layers) + 1))
    assert set(layer_names(model)) <= {layer.name for layer in layers}
    assert layers[-1].units == 10
    assert layers[-1].size == (1, 1)


@pytest.mark.spec("DV-21")
def test_layers_carry_the_papers_numbers() -> None:
    def named(model: str) -> list[str]:
        return [layer.name for layer in watched_layers(build_model(model), (32, 32, 3))]

    assert named("lenet-w")[3:5] == ["conv2", "relu2"]  # section 4.1.2: layer4 and layer5
    assert named("lenet-sig4")[9:11] == ["conv4", "sig4"]  # 4.2.2: layer10 and layer11
    assert named("lenet-sig4-bn")[9:12] == ["conv4", "bn4", "sig4"]  # layer10 and layer12
    assert named("lenet-d")[31] == "conv15"  # Fig. 9: layer32, one of Conv4-64
    assert named("lenet-w-bn")[4] == "bn2"  # a batch norm after layer4
    assert named("nin")[-2:] == ["conv9", "pool3"]


@pytest.mark.spec("DV-21")
def test_accuracies_of_the_paper_are_at_hand() -> None:
    stated = {name: net.paper_accuracy for name, net in NETWORKS.items() if net.paper_accuracy}
    assert len(stated) == 9
    assert (stated["shallow"], stated["lenet"], stated["nin"]) == (74.91, 80.24, 89.16)


@pytest.mark.spec("DV-22")
def test_the_recipe_lowers_the_learning_rate_after_epoch_30_of_45() -> None:
    config = recipe("lenet")
    assert config.epochs == 45
    until, first, last = config.rates[0]
    assert (until * 45, first, last) == (pytest.approx(30), 1.0, 1.0)
    assert config.rates[1][1] < 1
    assert recipe("nin").rates == config.rates


def test_a_patch_is_all_that_a_unit_sees(rng: np.random.Generator) -> None:
    model = build_model("lenet")
    layers = {layer.name: layer for layer in watched_layers(model, (32, 32, 3))}
    image = torch.from_numpy(rng.random((1, 3, 32, 32), dtype=np.float32))
    for name, row, col in (("pool1", 3, 5), ("conv2", 8, 2), ("pool2", 7, 7), ("pool3", 1, 2)):
        layer = layers[name]
        top, left, bottom, right = layer.boxes(np.array([row * layer.size[1] + col]), (32, 32))[0]
        hidden = torch.zeros_like(image)
        rows, cols = slice(max(top, 0), bottom), slice(max(left, 0), right)
        hidden[..., rows, cols] = image[..., rows, cols]
        with torch.inference_mode(), capture(model, [name], torch.clone) as found:
            model(image)
            whole = found[name][0, :, row, col].clone()
            model(hidden)
            torch.testing.assert_close(found[name][0, :, row, col], whole)


def test_images_that_do_not_fit_are_one_sentence(digits_source: ImageSource, tmp_path) -> None:
    with pytest.raises(DataError, match=r"\(8, 8, 1\) but lenet takes \(32, 32, 3\)"):
        train(model_spec("lenet"), digits_source, recipe("lenet"), tmp_path)


@pytest.fixture
def digits_source() -> ImageSource:
    from ndcore.data.catalog import open_source

    return open_source("digits")
