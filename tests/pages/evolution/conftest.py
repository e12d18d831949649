"""Two short runs, recorded on digits beside their weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ndcore.data.catalog import open_source
from ndcore.evolution.recording.recorder import RecordConfig, Recorder
from ndcore.networks.registry import model_spec
from ndcore.training.loop import train
from ndcore.training.recipes import recipe

EPOCHS = 3
MODELS = ("lenet-digits", "lenet-sig4-digits")


@pytest.fixture(scope="package")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with two short runs and no bundle."""
    cache = tmp_path_factory.mktemp("evolution")
    for name in MODELS:
        folder = cache / "runs" / name
        train(
            model_spec(name),
            open_source("digits"),
            replace(recipe(name), epochs=EPOCHS),
            folder,
            recorder=Recorder(folder, RecordConfig(per_class=16, pool=300, top=20, top_last=40)),
        )
        Recorder(folder).finish({"test_accuracy": 0.5})
    return cache


@pytest.fixture
def cache(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ND_CACHE", str(recorded))
    return recorded
