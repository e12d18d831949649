"""The general recipe trains what people bring as well as a plain loop in torch does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.models import mobilenet_v2

from ndcore.cli import main
from ndcore.data.sources import ImageSource
from ndcore.data.splits import positions
from ndcore.errors import DataError, StoppedError
from ndcore.evolution import load_run
from ndcore.evolution.recording.kept_weights import model_at
from ndcore.networks.forward import evaluate, forward, to_images
from ndcore.networks.registry import model_spec
from ndcore.networks.weights import load_weights
from ndcore.training import loop
from ndcore.training.loop import _faster_dtype, _initial, train
from ndcore.training.recipes import GENERAL, recipe
from tests.data.folder import kinds as folder_kinds
from tests.own import kinds

KINDS = Path(kinds.__file__).resolve()
EPOCHS = 5
SMALL = replace(GENERAL, epochs=EPOCHS, batch_size=16)


def coloured(count: int = 240, kept: float = 0.75) -> ImageSource:
    """Noise whose class is the colour of which only a share is kept."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (count, 12, 12, 3))
    labels = np.arange(count) % 3
    for label in range(3):
        pixels[labels == label, ..., label] = pixels[labels == label, ..., label] * kept
    return ImageSource(
        name="coloured",
        classes=("a", "b", "c"),
        ids=tuple(f"coloured:{i}" for i in range(count)),
        labels=labels.astype(np.int64),
        parts=("",) * count,
        lossless=np.ones(count, np.bool_),
        shape=(12, 12, 3),
        read=lambda i: pixels[i].astype(np.uint8),
    )


def plain_loop(
    model: torch.nn.Module, source: ImageSource, reference: list[int], epochs: int
) -> torch.nn.Module:
    """AdamW with a rise and a fall of the rate, as anybody would write it."""
    model.train()
    images = to_images(source.pixels(reference))
    labels = torch.from_numpy(source.labels[reference])
    steps = epochs * (len(reference) // 16)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimiser, 1e-3, steps, pct_start=0.1)
    generator = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        order = torch.randperm(len(reference), generator=generator)
        for rows in order[: len(order) // 16 * 16].split(16):
            optimiser.zero_grad()
            F.cross_entropy(model(images[rows]), labels[rows], label_smoothing=0.1).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            scheduler.step()
    return model.eval()


@pytest.mark.parametrize(
    ("kind", "epochs"), [("whole-resnet18", 3), ("mobile", 4), ("transformer", 4)]
)
def test_it_ends_where_a_plain_loop_ends(kind: str, epochs: int, tmp_path: Path) -> None:
    name = f"{KINDS}:{kind.replace('-', '_')}"
    source, spec = coloured(360, kept=0.25), model_spec(name)
    run = train(spec, source, replace(SMALL, epochs=epochs), tmp_path)
    model = load_weights(spec.build(), tmp_path / "weights.safetensors")
    assert all(bool(torch.isfinite(weight).all()) for weight in model.state_dict().values())
    reference = positions(source, run["splits"]["reference"])
    others = sorted({*range(len(source))} - {*reference})
    plain = plain_loop(kinds.TRAINED[kind](), source, reference, epochs)
    own = evaluate(plain, source, others)["accuracy"]
    assert own > 0.6  # there is something to learn, and a third by chance
    assert evaluate(model, source, others)["accuracy"] >= own - 0.02


@pytest.mark.parametrize("kind", kinds.TRAINED)
def test_the_same_seed_gives_the_same_weights(kind: str, tmp_path: Path) -> None:
    spec = model_spec(f"{KINDS}:{kind.replace('-', '_')}")
    hashes = [
        train(spec, coloured(60), replace(SMALL, epochs=1, seed=seed), tmp_path / str(at))[
            "weight_hash"
        ]
        for at, seed in enumerate((3, 3, 4))
    ]
    assert hashes[0] == hashes[1] != hashes[2]


def test_what_it_computes_in_hangs_on_the_build_and_no_stop_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = torch.device("cpu")
    large, small = kinds.TRAINED["whole-resnet18"](), kinds.TRAINED["transformer"]()
    depthwise = mobilenet_v2(num_classes=3)
    for fast, wanted in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(loop, "fast_bfloat16", lambda _place, fast=fast: fast)
        assert _faster_dtype(large, place) == wanted
        assert {_faster_dtype(small, place), _faster_dtype(depthwise, place)} == {"float32"}


def test_weights_that_a_factory_brings_are_where_training_starts() -> None:
    spec = model_spec(f"{KINDS}:residual")
    brought, started = kinds.FINE["residual"](), _initial(spec, recipe(spec.name))
    for name, weight in brought.state_dict().items():
        assert torch.equal(weight, started.state_dict()[name]), name


def test_a_stopped_run_of_the_general_recipe_resumes_to_the_same_weights(tmp_path: Path) -> None:
    source, spec = coloured(90), model_spec(f"{KINDS}:sequential")
    config = replace(SMALL, epochs=3)
    whole = train(spec, source, config, tmp_path / "whole")
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    with pytest.raises(StoppedError):
        train(spec, source, config, tmp_path / "parts", should_stop=stop)
    resumed = train(spec, source, config, tmp_path / "parts")
    assert resumed["weight_hash"] == whole["weight_hash"]


def test_a_recorded_run_keeps_the_form_of_its_model(
    folder: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [f"{KINDS}:softmax", "--data", str(folder), "--epochs", "1", "--run", "soft"]
    assert main(["train", *asked, "--record"]) == 0
    run = load_run("soft")
    (snapshot,) = (run.folder.parent / "snapshots").iterdir()
    model = model_at(run, snapshot)
    told = forward(model, np.zeros((2, 12, 12, 3), np.uint8))
    # Logarithms of the probabilities that the module itself answers with.
    np.testing.assert_allclose(told.exp().sum(1), 1, atol=1e-5)
    assert (told <= 0).all()


def test_divergence_is_refused_in_a_sentence(
    folder: Path, empty_cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wild = replace(SMALL, adaptive=False, clip=0.0, lr=1e18, epochs=2)
    with pytest.raises(DataError, match=r"training diverged: .* --lr"):
        train(model_spec(f"{KINDS}:sequential"), coloured(60), wild, tmp_path)
    asked = ["train", f"{KINDS}:sequential", "--data", str(folder), "--epochs", "1"]
    assert main([*asked, "--lr", "0"]) == 2
    assert "lr must be above 0" in capsys.readouterr().err
    assert main([*asked, "--lr", "0.01", "--batch", "8", "--no-augmentation"]) == 0


def test_what_was_trained_on_cut_images_is_built_on_cut_images(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder_kinds.several_sizes(tmp_path / "d")
    asked = ["--data", str(tmp_path / "d"), "--size", "12", "12"]
    assert main(["train", f"{KINDS}:plain", *asked, "--crop", "0.75", "--epochs", "1"]) == 0
    build = ["build", "mine", "--model", f"{KINDS}:plain", *asked, "--gallery", "0"]
    assert main(build) == 2
    assert "was trained on images with --crop 0.75: build it so too" in capsys.readouterr().err
    assert main([*build, "--crop", "0.75"]) == 0
    assert main(["train", f"{KINDS}:plain", *asked, "--epochs", "1"]) == 0
    assert main([*build, "--crop"]) == 2
    assert "was trained on images without --crop" in capsys.readouterr().err
