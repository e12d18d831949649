"""Shared fixtures: a digits bundle trained and built once, and an attack on one of its images.

What a fixture needs is imported in it: tests of figures and numbers run without torch.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

# Read once, when torch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Processes that share out the tests have a core each.
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

import numpy as np
import pytest

if TYPE_CHECKING:
    from ndcore.bundles.bundle import Bundle
    from ndcore.data.pairs import Pair

LONG = ("study", "own", "scale", "benchmarks", "jobs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Folders with few but long tests come first, so that no process is left with them alone."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.fixture(scope="session")
def digits_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with a trained and built `digits-cnn`."""
    from ndcore.bundles.build import BuildConfig, build
    from ndcore.data.catalog import open_source
    from ndcore.networks.registry import model_spec
    from ndcore.storage.places import run_dir
    from ndcore.training.loop import train
    from ndcore.training.recipes import recipe

    cache = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ND_CACHE", str(cache))
        spec, source = model_spec("digits-cnn"), open_source("digits")
        train(spec, source, replace(recipe("digits-cnn"), epochs=12), run_dir("digits-cnn"))
        build(BuildConfig("digits-cnn", "digits-cnn", gallery=4, gallery_images=20), source)
    return cache


@pytest.fixture
def digits_bundle(digits_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Bundle:
    """The digits bundle, with `ND_CACHE` pointing at its cache."""
    from ndcore.bundles.bundle import load_bundle

    monkeypatch.setenv("ND_CACHE", str(digits_cache))
    return load_bundle("digits-cnn")


@pytest.fixture
def twin(digits_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache in which the digits bundle lies under a second name too."""
    shutil.copytree(digits_cache / "bundles", tmp_path / "bundles")
    copy = tmp_path / "bundles" / "twin"
    shutil.copytree(tmp_path / "bundles" / "digits-cnn", copy)
    manifest = json.loads((copy / "manifest.json").read_text()) | {"name": "twin"}
    (copy / "manifest.json").write_text(json.dumps(manifest))
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    return tmp_path


@pytest.fixture
def pair(digits_bundle: Bundle) -> Pair:
    """An image and a verified attack on it, from the gallery of the digits bundle."""
    return digits_bundle.gallery[0].look_up()


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`ND_CACHE` pointing at an empty folder."""
    monkeypatch.setenv("ND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
