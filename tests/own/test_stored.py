"""Stored activations instead of a model: distributions and detectors are those of the model."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from ndcore.activations.reading import read_source
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.cli import main
from ndcore.data.catalog import open_data, open_source
from ndcore.data.stored import file as stored_file
from ndcore.data.stored.file import read_activations
from ndcore.detectors import load_detector
from ndcore.errors import BundleError, DataError
from ndcore.networks.called.stored import Stored, stored_model

N = 400


@pytest.fixture
def arrays(digits_bundle: Bundle) -> dict[str, np.ndarray]:
    """What `digits-cnn` says of the first digits, dense layers and the largest of each map."""
    source = open_source("digits")
    reading = read_source(digits_bundle.model, digits_bundle.layers, source, range(N))
    layers = {name: reading.values(name, digits_bundle.judged_by(name)) for name in ("dense_1",)}
    return {
        "labels": source.labels[:N],
        "logits": reading.logits,
        "classes": np.array(source.classes),
        "images": source.pixels(range(N)),
        "block1.conv1": reading.values("block1_conv1", "max"),
        **layers,
    }


@pytest.fixture
def path(arrays: dict[str, np.ndarray], tmp_path: Path) -> Path:
    return saved(tmp_path / "said.npz", arrays)


def saved(path: Path, arrays: dict[str, np.ndarray], **more: object) -> Path:
    np.savez(path, **{name: each for name, each in (arrays | more).items() if each is not None})
    return path


@pytest.mark.spec("OM-9")
def test_a_bundle_of_them_counts_and_judges_as_the_values_say(
    path: Path, arrays: dict[str, np.ndarray], empty_cache: Path
) -> None:
    assert main(["build", "said", "--activations", str(path)]) == 0
    bundle, source = load_bundle("said"), open_data(path)
    assert bundle.layers == ("block1.conv1", "dense_1")
    assert bundle.unasked.startswith("This bundle holds stored activations instead of a model")
    keys = list(source.keys())
    for split, members in bundle.splits.items():
        at = [keys.index(key) for key in members]
        reading = bundle.read(source.pixels(at))
        np.testing.assert_array_equal(reading.logits, arrays["logits"][at])
        if split == "reference":
            for layer in bundle.layers:
                values = arrays[layer][at]
                np.testing.assert_array_equal(reading.values(layer, "value"), values)
                held = bundle.distributions(layer, "value")
                labels = arrays["labels"][at]
                assert held.n.tolist() == np.bincount(labels, minlength=10).tolist()
                zeros = [(values[labels == c] == 0).sum(0) for c in range(10)]
                np.testing.assert_array_equal(held.counts[..., 0], zeros)
    right = arrays["logits"].argmax(1) == arrays["labels"]
    judged = [keys.index(key) for key in bundle.splits["evaluation"]]
    assert bundle.manifest["accuracy"]["accuracy"] == pytest.approx(right[judged].mean())
    verdicts = load_detector(bundle).detect(source.pixels(judged[:5]))
    assert [v.predicted for v in verdicts] == arrays["logits"][judged[:5]].argmax(1).tolist()


@pytest.mark.spec("OM-9")
def test_commands_work_or_say_why_not(
    path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", str(path)]) == 0
    assert "activations of 400 images are stored instead of a model" in capsys.readouterr().out
    assert main(["build", "said", "--activations", str(path)]) == 0
    data = ["--bundle", "said", "--data", str(path)]
    for command in (
        ["layers", str(path)],
        ["evaluate", *data],
        ["evaluate", "--bundle", "said"],
        ["detect", "stored:3", "--bundle", "said"],
        ["detect", "stored:3", "stored:4", *data],
        ["distributions", "--bundle", "said", "--layer", "dense_1"],
        ["detect", "stored:3", *data, "--case-file", str(empty_cache / "case.json")],
    ):
        capsys.readouterr()
        assert main([*command, "--json", "-"]) == 0, command
        assert json.loads(capsys.readouterr().out)
    for command in (
        ["attack", "stored:3", *data],
        ["certify", "stored:3", *data],
        ["detect", "stored:3", *data, "--detector", "repair-turn"],
        ["study", "detectors", *data],
        ["train", str(path)],
    ):
        capsys.readouterr()
        assert main(command) == 2, command
        told = capsys.readouterr().err
        assert told.count("\n") == 1
        assert any(
            why in told
            for why in ("stored activations instead of a model", "no calibration", "no weights")
        ), told
    assert main(["build", "said", "--activations", str(path), "--data", "digits"]) == 2
    assert "stands for the model and its images" in capsys.readouterr().err


def test_without_pictures_each_image_has_a_patch_of_its_own(
    arrays: dict[str, np.ndarray], tmp_path: Path, empty_cache: Path
) -> None:
    shares = np.exp(arrays["logits"].astype(np.float64))
    shares /= shares.sum(1, keepdims=True)
    path = saved(
        tmp_path / "said.npz",
        arrays,
        images=None,
        classes=None,
        logits=None,
        probabilities=shares,
        maps=np.random.default_rng(0).normal(size=(N, 3, 4, 5)).astype(np.float16),
        tokens=np.random.default_rng(0).normal(size=(N, 6, 7)),
    )
    held = read_activations(path)
    assert len(np.unique(held.images.reshape(N, -1), axis=0)) == N
    assert held.images.any((1, 2, 3)).all()
    assert not held.pictured
    assert main(["build", "said", "--activations", str(path)]) == 0
    bundle, source = load_bundle("said"), open_data(path)
    assert bundle.classes == tuple("0123456789")
    assert bundle.reductions("maps") == bundle.reductions("tokens") == ("mean", "max")
    reading = bundle.read(source.pixels(range(9)))
    np.testing.assert_allclose(reading.probabilities, shares[:9], atol=1e-6)
    wanted = held.layers["maps"][:9]
    np.testing.assert_allclose(reading.values("maps", "max"), wanted.max((2, 3)))
    np.testing.assert_allclose(reading.values("maps", "mean"), wanted.mean((2, 3)), atol=1e-6)
    tokens = held.layers["tokens"][:9, ..., 0]
    np.testing.assert_allclose(reading.values("tokens", "max"), tokens.max(2))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"labels": None}, "needs the arrays `labels`"),
        ({"logits": None}, "`logits` or `probabilities`"),
        ({"dense_1": None, "block1.conv1": None}, "has no layer"),
        ({"dense_1": np.zeros((3, 4), np.float32)}, "has 400 labels but dense_1 (3, 4)"),
        ({"dense_1": np.zeros(N, np.float32)}, "not a layer"),
        ({"a#2": np.zeros((N, 4), np.float32)}, "not a layer"),
        ({"train": np.zeros((N, 4), np.float32)}, "cannot be named 'train'"),
        ({"labels": np.full(N, 10)}, "must be 0 to 9"),
        ({"classes": np.array(["a"] * 10)}, "10 different names"),
        ({"images": np.zeros((N, 8, 8, 4), np.uint8)}, "with 1 or 3 channels"),
        ({"images": np.zeros((N, 8, 8, 1), np.float32)}, "not uint8"),
        ({"logits": None, "probabilities": np.ones((N, 10))}, "do not add up to 1"),
        ({"logits": np.full((N, 10), np.nan)}, "no numbers"),
        ({"images": np.zeros((N, 8, 8, 1), np.uint8)}, "are equal but not their answers"),
        ({"dense_1": np.array([{}] * N, object)[:, None]}, "holds Python objects"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence(
    more: dict, why: str, arrays: dict[str, np.ndarray], tmp_path: Path, empty_cache: Path
) -> None:
    path = saved(tmp_path / "bad.npz", arrays, **more)
    with pytest.raises(DataError, match=r"\S") as told:
        stored_model(str(path))
    assert why in str(told.value)
    assert "\n" not in str(told.value)
    assert main(["build", "said", "--activations", str(path)]) == 2


def test_a_file_is_measured_before_it_is_read(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_file, "LARGEST", 2**15)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(DataError, match=r"holds 0\.0 GiB, more than 0: store the mean"):
        read_activations(path)
    monkeypatch.undo()
    # A header that promises more than the file holds.
    lying = tmp_path / "lying.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**6, 10**6)}
    )
    with zipfile.ZipFile(lying, "w") as archive:
        archive.writestr("labels.npy", header.getvalue())
    for bad in (lying, tmp_path / "none.npz"):
        with pytest.raises(DataError, match=r"of another size than it says|does not exist"):
            read_activations(bad)
    (tmp_path / "text.npz").write_text("hello")
    with pytest.raises(DataError, match="no file of arrays that can be read"):
        read_activations(tmp_path / "text.npz")


def test_a_bundle_notices_another_file(
    path: Path, arrays: dict[str, np.ndarray], empty_cache: Path
) -> None:
    assert main(["build", "said", "--activations", str(path)]) == 0
    assert isinstance(load_bundle("said").model, Stored)
    saved(path, arrays, dense_1=arrays["dense_1"] + 1)
    with pytest.raises(BundleError, match="foreign weights"):
        load_bundle("said")
    path.unlink()
    with pytest.raises(BundleError, match=r"cannot be opened: model file .* does not exist"):
        load_bundle("said")
