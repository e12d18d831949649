from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ndcore.activations.reading import read_source
from ndcore.bundles.build import BuildConfig, build
from ndcore.bundles.bundle import Bundle, list_bundles, load_bundle
from ndcore.bundles.manifest import FILES
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.errors import BadRequestError, BundleError, DataError, StoppedError
from ndcore.storage.atomic import replace_folder, write_json

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def copy(digits_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle that a test may damage."""
    monkeypatch.setenv("ND_CACHE", str(tmp_path))
    shutil.copytree(digits_cache, tmp_path, dirs_exist_ok=True)
    return tmp_path / "bundles" / "digits-cnn"


def test_medians_and_quantiles_equal_numpy_on_raw_activations(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    members = positions(source, digits_bundle.splits["reference"])
    reading = read_source(digits_bundle.model, digits_bundle.layers, source, members)
    labels = source.labels[members]
    for layer in digits_bundle.layers:
        for reduction in digits_bundle.reductions(layer):
            found = digits_bundle.distributions(layer, reduction)
            width = (found.hi - found.lo) / 256 + 1e-6
            values = reading.values(layer, reduction)
            for label in range(10):
                chosen = values[labels == label]
                for q in (0.1, 0.5, 0.9):
                    wanted = np.quantile(chosen, q, axis=0, method="inverted_cdf")
                    inside = (wanted >= found.lo) & (wanted <= found.hi)
                    gap = np.abs(found.quantile(q)[label] - wanted)
                    assert (gap <= width)[inside].all()
                assert np.array_equal(found.counts[label, :, 0], (chosen == 0).sum(0))


def test_splits_are_disjoint_and_whole(digits_bundle: Bundle) -> None:
    keys = [key for split in digits_bundle.splits.values() for key in split]
    assert len(keys) == len(set(keys)) == 1797
    assert set(digits_bundle.splits) == {"reference", "dev", "calibration", "evaluation"}


def test_manifest_says_where_everything_comes_from(digits_bundle: Bundle) -> None:
    manifest = digits_bundle.manifest
    assert manifest["accuracy"]["accuracy"] > 0.95
    assert manifest["accuracy"]["n"] == len(digits_bundle.splits["evaluation"])
    assert manifest["training"]["config"]["seed"] == 0
    assert "torch" in manifest["versions"]
    assert manifest["data"]["splits"]["evaluation"]["lossless"] == manifest["accuracy"]["n"]
    assert digits_bundle.layers[-1] == "dense_2"


def test_gallery_is_verified(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    held = set(digits_bundle.splits["evaluation"])
    assert digits_bundle.gallery
    for row in digits_bundle.gallery:
        assert row.id in held
        image = source.pixels([source.index(row.id)])[0]
        (pixel,) = row.pixels
        assert image[pixel.row, pixel.col].tolist() == list(pixel.before)
        image[pixel.row, pixel.col] = pixel.after
        predicted = digits_bundle.read(image[None]).predicted[0]
        assert digits_bundle.classes[predicted] == row.predicted_after != row.true


def test_unknown_names_are_one_sentence(digits_bundle: Bundle) -> None:
    with pytest.raises(BadRequestError, match="unknown layer 'x'"):
        digits_bundle.units("x")
    with pytest.raises(BadRequestError, match="unknown class 'cat'"):
        digits_bundle.class_index("cat")
    with pytest.raises(BadRequestError, match="does not fit"):
        digits_bundle.distributions("dense_1", "mean")
    with pytest.raises(BadRequestError, match="images must be"):
        digits_bundle.read(np.zeros((1, 9, 9, 1), np.uint8))
    for name in ("nope", "../digits-cnn", "", ".hidden"):
        with pytest.raises(BundleError):
            load_bundle(name)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["truncate", "remove", "flip"])
def test_damage_is_refused(copy: Path, file: str, damage: str) -> None:
    path = copy / file
    data = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "truncate":
        path.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    with pytest.raises(BundleError, match=file):
        load_bundle("digits-cnn")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "manifest.json is no JSON"),
        ("[]", "schema version None"),
        ('{"schema_version": 99}', "schema version 99"),
        ('{"schema_version": 1}', "without 'name'"),
    ],
)
def test_a_strange_manifest_is_refused(copy: Path, text: str, match: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match=match):
        load_bundle("digits-cnn")
    (info,) = list_bundles()
    assert not info.ready
    assert info.problem


@pytest.mark.spec("UX-7")
def test_foreign_weights_are_refused(copy: Path) -> None:
    manifest = json.loads((copy / "manifest.json").read_text())
    write_json(copy / "manifest.json", manifest | {"weight_hash": "0" * 64})
    with pytest.raises(BundleError, match="foreign weights"):
        load_bundle("digits-cnn")
    write_json(copy / "manifest.json", manifest | {"model": "cifar10-vgg16"})
    with pytest.raises(BundleError, match="takes images of another shape"):
        load_bundle("digits-cnn")


def test_a_stopped_build_leaves_the_old_bundle(copy: Path) -> None:
    before = (copy / "manifest.json").read_bytes()
    config = BuildConfig("digits-cnn", "digits-cnn")
    with pytest.raises(StoppedError):
        build(config, open_source("digits"), should_stop=lambda: True)
    assert (copy / "manifest.json").read_bytes() == before
    load_bundle("digits-cnn")


def test_building_again_gives_the_same_bytes(copy: Path) -> None:
    before = {file: (copy / file).read_bytes() for file in FILES if file != "gallery.json"}
    build(BuildConfig("digits-cnn", "digits-cnn", gallery=0), open_source("digits"))
    for file, data in before.items():
        if file.endswith(".npz"):
            with np.load(copy / file) as new:
                assert new.files
        else:
            assert (copy / file).read_bytes() == data
    assert load_bundle("digits-cnn").gallery == []


def test_kill_9_during_build_leaves_nothing_to_load(copy: Path) -> None:
    cache = copy.parent.parent
    shutil.rmtree(copy)
    environment = os.environ | {"ND_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "ndcore", "build", "digits-cnn", "--gallery", "500"]
    for delay in (0.0, 0.4, 1.0):
        process = subprocess.Popen(
            [*command, "--gallery-images", "500"],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        assert process.stderr is not None
        process.stderr.readline()  # the first step has begun
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert [info.name for info in list_bundles()] == []
        with pytest.raises(BundleError):
            load_bundle("digits-cnn")
    build(BuildConfig("digits-cnn", "digits-cnn", gallery=0), open_source("digits"))
    assert load_bundle("digits-cnn").name == "digits-cnn"


def test_a_crash_while_writing_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    target.mkdir()
    (target / "old").write_text("old")

    def crash() -> None:
        with replace_folder(target) as folder:
            (folder / "new").write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]
    assert (target / "old").read_text() == "old"
    with replace_folder(target) as folder:
        (folder / "new").write_text("new")
    assert [path.name for path in target.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_what_a_killed_process_left_is_cleaned_up(tmp_path: Path) -> None:
    target = tmp_path / "thing"
    (tmp_path / ".thing.building-999999999-abc").mkdir()
    alive = tmp_path / f".thing.building-{os.getpid()}-abc"
    alive.mkdir()
    (tmp_path / ".thing.retired").mkdir()
    (tmp_path / ".thing.retired" / "kept").write_text("kept")

    def crash() -> None:
        with replace_folder(target):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert (target / "kept").read_text() == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, "thing"]


def test_a_build_without_weights_or_with_wrong_data_is_refused(
    empty_cache: Path, digits_cache: Path
) -> None:
    digits = open_source("digits")
    with pytest.raises(BundleError, match="ndcore train digits-cnn"):
        build(BuildConfig("x", "digits-cnn"), digits)
    with pytest.raises(BadRequestError, match="cannot be the name"):
        build(BuildConfig("../x", "digits-cnn"), digits)
    weights = digits_cache / "runs" / "digits-cnn" / "weights.safetensors"
    with pytest.raises(DataError, match="classes"):
        build(BuildConfig("x", "digits-cnn", weights=weights), open_source("samples"))
    foreign = empty_cache / "foreign.safetensors"
    foreign.parent.mkdir(exist_ok=True)
    foreign.write_bytes(b"not at all")
    with pytest.raises(BundleError, match="not a readable"):
        build(BuildConfig("x", "digits-cnn", weights=foreign), digits)
    made = build(BuildConfig("mine", "digits-cnn", weights=weights, gallery=0), digits)
    assert made["training"] == {}
    assert load_bundle("mine").weight_hash == made["weight_hash"]
