"""CIFAR-10 wherever it lies: packed by torchvision or as folders, named directly or found."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

from ndcore.data.catalog import (
    find_image,
    open_data,
    open_source,
    own_place,
    own_root,
    source_status,
)
from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.errors import DataError


@pytest.fixture
def torchvision_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CIFAR-10 as torchvision leaves it, with few images and the checksums to match."""
    base = tmp_path / "cifar-10-batches-py"
    base.mkdir()
    rng = np.random.default_rng(0)

    def write(name: str, document: dict) -> list[str]:
        data = pickle.dumps(document)
        (base / name).write_bytes(data)
        return [name, hashlib.md5(data).hexdigest()]

    def batch(labels: list[int]) -> dict:
        data = rng.integers(0, 256, (len(labels), 3072), dtype=np.uint8)
        return {"data": data, "labels": labels}

    monkeypatch.setattr(CIFAR10, "train_list", [write("data_batch_1", batch([3, 5, 3, 0]))])
    monkeypatch.setattr(CIFAR10, "test_list", [write("test_batch", batch([3, 8]))])
    name, checksum = write("batches.meta", {"label_names": list(CIFAR10_CLASSES)})
    meta = {"filename": name, "key": "label_names", "md5": checksum}
    monkeypatch.setattr(CIFAR10, "meta", meta)
    monkeypatch.setenv("ND_DATA", str(tmp_path))
    return tmp_path


def test_torchvision_root_shares_keys_with_folders(torchvision_root: Path) -> None:
    source = open_data(torchvision_root)
    assert source.ids[4:] == ("cifar10-test:0", "cifar10-test:1")
    assert source.keys() == (
        "train/cat/0000",
        "train/dog/0000",
        "train/cat/0001",
        "train/airplane/0000",
        "test/cat/0000",
        "test/ship/0000",
    )
    pixels, label = find_image("train/cat/0001")
    assert label == 3
    assert np.array_equal(pixels, source.pixels([2])[0])
    assert next(row for row in source_status() if row.name == "cifar10").ready


def test_damaged_or_missing_cifar10_says_how_to_get_it(torchvision_root: Path) -> None:
    (torchvision_root / "cifar-10-batches-py" / "test_batch").write_bytes(b"x")
    with pytest.raises(DataError, match="damaged; get it again with: python -m ndcore data fetch"):
        open_source("cifar10")
    with pytest.raises(DataError, match="python -m ndcore data fetch"):
        open_source("cifar10", torchvision_root / "elsewhere")
    with pytest.raises(DataError, match="data fetch"):
        find_image("train/cat/0001")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where data is looked for, with two images per class and part in `cifar10`."""
    for part in ("train", "test"):
        for shade, name in enumerate(CIFAR10_CLASSES):
            place = tmp_path / "cifar10" / part / name
            place.mkdir(parents=True)
            for i in range(2):
                colour = (shade, i, part == "test")
                Image.new("RGB", (32, 32), colour).save(place / f"{i:04d}.png")
    monkeypatch.setenv("ND_DATA", str(tmp_path))
    return tmp_path


def test_folders_of_cifar10_are_found_however_they_are_named(folders: Path) -> None:
    direct = open_data(folders / "cifar10")
    assert direct.ids[0] == "train/airplane/0000.png"
    assert direct.keys()[-1] == "test/truck/0001"
    for named in (
        open_data(folders),
        open_data("cifar10"),
        open_source("cifar10"),
        open_source("cifar10", folders / "cifar10"),
        open_source("folder", folders),
    ):
        assert (named.ids, named.classes) == (direct.ids, CIFAR10_CLASSES)
        assert named.pixels([39])[0, 0, 0].tolist() == [9, 1, 1]
    for root in (None, folders, folders / "cifar10"):
        pixels, label = find_image("test/cat/0001", root)
        assert (pixels[0, 0].tolist(), label) == ([3, 1, 1], 3)
    status = next(row for row in source_status() if row.name == "cifar10")
    assert (status.ready, status.images) == (True, 40)


def test_a_new_image_is_seen(folders: Path) -> None:
    assert len(open_source("cifar10")) == 40
    Image.new("RGB", (32, 32)).save(folders / "cifar10" / "test" / "cat" / "0002.png")
    assert len(open_source("cifar10")) == 41


def test_torchvisions_files_come_first(folders: Path, torchvision_root: Path) -> None:
    assert open_data(torchvision_root).ids[4] == "cifar10-test:0"
    assert find_image("cifar10-test:1", torchvision_root)[1] == 8


def test_a_folder_of_other_classes_is_no_cifar10(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "cifar10" / "x.png")
    assert open_data(tmp_path).classes == ("cifar10",)
    with pytest.raises(DataError, match="is not in"):
        open_source("cifar10", tmp_path)


def test_only_peoples_own_folders_are_remembered_by_their_path(tmp_path: Path) -> None:
    for part in ("train", "test"):
        for name in CIFAR10_CLASSES:
            (tmp_path / "cifar10" / part / name).mkdir(parents=True)
            image = Image.new("RGB", (32, 32))
            image.save(tmp_path / "cifar10" / part / name / "0000.png")
    assert own_root(open_data(tmp_path)) == ""
    assert own_root(open_data(tmp_path / "cifar10")) == ""
    assert own_root(open_data("digits")) == ""
    one = tmp_path / "cifar10" / "train"
    assert own_root(open_data(one)) == str(one)
    assert own_place(str(one)) == one
    assert own_place("") is None
    assert own_place("/nowhere/else") is None
