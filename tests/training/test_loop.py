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

from ndcore.data.catalog import open_source
from ndcore.errors import StoppedError
from ndcore.networks.registry import build_model, model_spec
from ndcore.networks.weights import load_weights, weight_hash
from ndcore.training.augment import cut_out, resize, shift
from ndcore.training.checkpoints import read_run
from ndcore.training.loop import train
from ndcore.training.recipes import RECIPES, recipe

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
    # A kill between checkpoint and log loses the match of the two; then it starts again.
    assert rows[0]["epoch"] in (done + 1, 1)


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
