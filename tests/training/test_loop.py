from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from ndcore.bundles.build import BuildConfig, build
from ndcore.data.catalog import open_source
from ndcore.errors import BadRequestError, BundleError, StoppedError
from ndcore.networks.registry import build_model, model_spec
from ndcore.networks.weights import load_weights, weight_hash
from ndcore.storage.places import run_dir
from ndcore.training.augment import cut_out, resize, shift
from ndcore.training.checkpoints import read_run
from ndcore.training.loop import train
from ndcore.training.recipes import RECIPES, recipe
from ndcore.training.side_by_side import SideBySide, conv_of_whole_map, conv_side_by_side

CONFIG = replace(RECIPES["digits-cnn"], epochs=4)
ROOT = Path(__file__).resolve().parents[2]


def run_to(folder: Path, stop_after: int | None = None) -> dict:
    rows: list[dict] = []
    return train(
        model_spec("digits-cnn"),
        open_source("digits"),
        CONFIG,
        folder,
        on_epoch=rows.append,
        should_stop=None if stop_after is None else lambda: len(rows) >= stop_after,
    )


def test_a_stopped_run_resumes_to_the_same_weights(tmp_path: Path) -> None:
    whole = run_to(tmp_path / "whole")
    with pytest.raises(StoppedError):
        run_to(tmp_path / "parts", stop_after=2)
    stopped = read_run(tmp_path / "parts")
    assert stopped is not None
    assert len(stopped["epochs"]) == 2
    assert not (tmp_path / "parts" / "weights.safetensors").exists()
    resumed = run_to(tmp_path / "parts")
    assert resumed["weight_hash"] == whole["weight_hash"]
    assert [row["loss"] for row in resumed["epochs"]] == [row["loss"] for row in whole["epochs"]]
    assert run_to(tmp_path / "parts") == resumed  # a finished run is returned as it is


NETWORK = """
from torch import nn

def make():
    layers = [nn.Flatten(), nn.Linear(64, WIDTH), nn.ReLU(), nn.Dropout(0.5), nn.Linear(WIDTH, 10)]
    model = nn.Sequential(*layers)
    model.shape = (8, 8, 1)
    return model
"""


def own_run(file: Path, folder: Path, stop_after: int | None = None) -> dict:
    rows: list[dict] = []
    return train(
        model_spec(f"{file}:make"),
        open_source("digits"),
        replace(CONFIG, epochs=3),
        folder,
        on_epoch=rows.append,
        should_stop=None if stop_after is None else lambda: len(rows) >= stop_after,
    )


def test_dropout_is_drawn_from_the_seed_broken_or_not(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(NETWORK.replace("WIDTH", "12"))
    whole = own_run(file, tmp_path / "whole")
    torch.rand(7)
    with pytest.raises(StoppedError):
        own_run(file, tmp_path / "parts", stop_after=1)
    torch.rand(7)
    assert own_run(file, tmp_path / "parts")["weight_hash"] == whole["weight_hash"]


@pytest.mark.parametrize("edit", [("ReLU", "Sigmoid"), ("12", "9")])
def test_another_network_in_the_same_file_is_trained_anew(
    tmp_path: Path, edit: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    file = tmp_path / "own.py"
    name = f"{file}:make"
    file.write_text(NETWORK.replace("WIDTH", "12"))
    first = own_run(file, run_dir(name))
    file.write_text("# a remark\n" + NETWORK.replace("WIDTH", "12"))
    assert own_run(file, run_dir(name)) == first
    with pytest.raises(StoppedError):
        own_run(file, tmp_path / "stopped", stop_after=1)
    file.write_text(NETWORK.replace("WIDTH", "12").replace(*edit))
    with pytest.raises(BundleError, match="another network than was trained"):
        build(BuildConfig("own", name), open_source("digits"))
    anew = own_run(file, run_dir(name))
    assert anew["weight_hash"] != first["weight_hash"]
    assert own_run(file, tmp_path / "stopped")["weight_hash"] == anew["weight_hash"]


def test_a_network_with_other_classes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(NETWORK.replace("WIDTH, 10", "WIDTH, 2").replace("WIDTH", "12"))
    why = "10 classes but the model tells 2 apart: it needs 10"
    with pytest.raises(BadRequestError, match=why):
        own_run(file, tmp_path / "run")


def test_a_damaged_checkpoint_starts_again(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        run_to(tmp_path, stop_after=2)
    state = tmp_path / "state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    run = run_to(tmp_path)
    assert [row["epoch"] for row in run["epochs"]] == [1, 2, 3, 4]


def test_another_recipe_starts_again(tmp_path: Path) -> None:
    run_to(tmp_path)
    config = replace(CONFIG, epochs=1, seed=1)
    run = train(model_spec("digits-cnn"), open_source("digits"), config, tmp_path)
    assert len(run["epochs"]) == 1


def start(command: list[str], cache: Path) -> subprocess.Popen:
    environment = os.environ | {"ND_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "ndcore", *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=ROOT,
    )


def test_another_model_in_the_same_folder_starts_again(tmp_path: Path) -> None:
    source, config = open_source("digits"), replace(recipe("lenet-digits"), epochs=1)
    for name in ("shallow-digits", "lenet-digits"):
        run = train(model_spec(name), source, config, tmp_path)
        assert run["model"] == name
        model = build_model(name)
        load_weights(model, tmp_path / "weights.safetensors")
        assert weight_hash(model) == run["weight_hash"]


def test_kill_9_during_train_then_again(tmp_path: Path) -> None:
    run_file = tmp_path / "runs" / "digits-cnn" / "run.json"
    process = start(["train", "digits-cnn", "--epochs", "400"], tmp_path)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if run_file.is_file() and len(json.loads(run_file.read_text())["epochs"]) >= 3:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(json.loads(run_file.read_text())["epochs"])
    assert 3 <= done < 400
    rows: list[dict] = []
    with pytest.raises(StoppedError):
        train(
            model_spec("digits-cnn"),
            open_source("digits"),
            replace(recipe("digits-cnn"), epochs=400),
            run_file.parent,
            on_epoch=rows.append,
            should_stop=lambda: len(rows) >= 1,
        )
    # A kill between row and checkpoint costs the epoch of that row.
    assert rows[0]["epoch"] in (done, done + 1)


def test_same_seed_same_weights_and_no_global_randomness(tmp_path: Path) -> None:
    state = torch.get_rng_state()
    first = run_to(tmp_path / "a")
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert run_to(tmp_path / "b")["weight_hash"] == first["weight_hash"]


def test_weights_are_what_half_precision_holds(tmp_path: Path) -> None:
    from ndcore.networks.weights import load_weights

    run = run_to(tmp_path)
    model = load_weights(build_model("digits-cnn"), tmp_path / "weights.safetensors")
    assert weight_hash(model) == run["weight_hash"]
    for tensor in model.state_dict().values():
        if tensor.is_floating_point():
            assert torch.equal(tensor, tensor.half().float())


def test_shift_moves_and_reflects() -> None:
    images = torch.arange(16.0).view(1, 1, 4, 4).repeat(50, 1, 1, 1)
    moved = shift(images, 1, torch.Generator().manual_seed(0))
    padded = torch.nn.functional.pad(images[:1], (1,) * 4, mode="reflect")[0, 0]
    windows = {
        tuple(padded[r : r + 4, c : c + 4].flatten().tolist()) for r in range(3) for c in range(3)
    }
    found = {tuple(image.flatten().tolist()) for image in moved}
    assert found <= windows
    assert len(found) == 9


def test_cut_out_and_resize() -> None:
    images = torch.ones(20, 3, 8, 8)
    cut = cut_out(images, 4, torch.Generator().manual_seed(0))
    holes = (cut == 0.5).all(1).sum((1, 2))
    assert holes.max() == 16
    assert holes.min() >= 4
    assert resize(images, 4).shape == (20, 3, 4, 4)
    assert resize(images, 8) is images


@pytest.mark.parametrize(("side", "bias"), [(1, False), (2, True), (3, False), (4, True)])
@pytest.mark.parametrize("kernel", [3, 5])
def test_images_side_by_side_do_not_see_each_other(side: int, bias: bool, kernel: int) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, side, side, generator=generator, dtype=torch.float64)
    weight = torch.rand(4, 3, kernel, kernel, generator=generator, dtype=torch.float64)
    shift_of = torch.rand(4, generator=generator, dtype=torch.float64) if bias else None
    images.requires_grad_()
    weight.requires_grad_()
    plain = torch.conv2d(images, weight, shift_of, padding=kernel // 2)
    found = conv_side_by_side(images, weight, shift_of)
    assert_same_gradients(found, plain, (images, weight))


@pytest.mark.parametrize(("shape", "bias"), [((1, 1), True), ((2, 3), False), ((4, 4), True)])
def test_a_kernel_as_large_as_its_map_is_one_product(shape: tuple[int, int], bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(5, 3, *shape, generator=generator, dtype=torch.float64).requires_grad_()
    weight = torch.rand(4, 3, *shape, generator=generator, dtype=torch.float64).requires_grad_()
    shift_of = torch.rand(4, generator=generator, dtype=torch.float64) if bias else None
    plain = torch.conv2d(images, weight, shift_of)
    assert_same_gradients(conv_of_whole_map(images, weight, shift_of), plain, (images, weight))
    with SideBySide():
        assert torch.allclose(torch.conv2d(images, weight, shift_of), plain)
        # A padded one looks at more than the map.
        assert torch.conv2d(images, weight, padding=1).shape[2:] == (3, 3)


def assert_same_gradients(
    found: torch.Tensor, plain: torch.Tensor, of: tuple[torch.Tensor, ...]
) -> None:
    assert torch.allclose(found, plain)
    for one, other in zip(
        torch.autograd.grad(found.sin().sum(), of),
        torch.autograd.grad(plain.sin().sum(), of),
        strict=True,
    ):
        assert torch.allclose(one, other)


def test_only_convolutions_of_tiny_maps_run_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def spy(images: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(images.shape[2:]))
        return conv_side_by_side(images, *rest)

    monkeypatch.setattr("ndcore.training.side_by_side.conv_side_by_side", spy)
    plain, strided = torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.Conv2d(3, 4, 3, stride=2)
    with SideBySide():
        for side in (4, 5, 8):
            plain(torch.rand(2, 3, side, side))
        strided(torch.rand(2, 3, 4, 4))
        torch.nn.Conv2d(4, 4, 3, padding=1, groups=2)(torch.rand(2, 4, 4, 4))
    assert seen == [(4, 4)]


def test_a_run_that_averages_resumes_to_the_same_weights(tmp_path: Path) -> None:
    config = replace(CONFIG, epochs=2, mirror=True, cut_out_px=2, average_from=0.5)
    source, rows = open_source("digits"), []
    whole = train(model_spec("digits-cnn"), source, config, tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(
            model_spec("digits-cnn"),
            source,
            config,
            tmp_path / "parts",
            on_epoch=rows.append,
            should_stop=lambda: len(rows) >= 1,
        )
    resumed = train(model_spec("digits-cnn"), source, config, tmp_path / "parts")
    assert resumed["weight_hash"] == whole["weight_hash"]


def test_few_images_still_make_many_steps() -> None:
    general = recipe("own.py:make")
    assert [general.batch_of(images) for images in (4, 84, 320, 5000)] == [4, 8, 20, 64]
    assert recipe("digits-cnn").batch_of(84) == 64


@pytest.mark.parametrize(("side", "kernel"), [(1, 3), (2, 3), (1, 1), (3, 2)])
def test_gradients_of_weights_that_see_only_padding_are_nothing(side: int, kernel: int) -> None:
    layer = nn.Conv2d(64, 128, kernel, stride=2, padding=kernel // 2)
    images = torch.rand(13, 64, side, side, generator=torch.Generator().manual_seed(0))
    for _ in range(4):
        # Memory that is given back and taken again holds what was in it.
        for kind in (torch.float32, torch.bfloat16):
            torch.full_like(layer.weight, torch.nan, dtype=kind)
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16), SideBySide():
            found = layer(images)
        found.float().sum().backward()
        (wanted,) = torch.autograd.grad(layer(images).sum(), [layer.weight])
        torch.testing.assert_close(layer.weight.grad, wanted, rtol=0.02, atol=0.02)
