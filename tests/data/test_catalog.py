from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ndcore.data.catalog import find_image, open_data, open_source
from ndcore.data.cifar10 import CIFAR10_CLASSES
from ndcore.data.splits import make_splits, positions
from ndcore.errors import BadRequestError, DataError


def test_samples_are_twenty_lossless_test_images() -> None:
    source = open_source("samples")
    assert len(source) == 20
    assert source.classes == CIFAR10_CLASSES
    assert source.classes[source.labels[0]] == "cat"
    assert source.pixels([0, 5]).shape == (2, 32, 32, 3)
    assert source.lossless.all()
    pixels, label = find_image("samples:0")
    assert np.array_equal(pixels, source.pixels([0])[0])
    assert label == 3


def test_digits() -> None:
    source = open_source("digits")
    assert len(source) == 1797
    assert source.shape == (8, 8, 1)
    assert source.pixels(range(50)).max() == 255


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two parts, two classes, 24 + 5 images each, a quarter of the training ones lossless."""
    for part, count in (("train", 24), ("test", 5)):
        for name in ("a", "b"):
            place = tmp_path / part / name
            place.mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
                suffix = "png" if i % 4 == 0 else "jpg"
                Image.fromarray(pixels).save(place / f"{i:04d}.{suffix}")
            (place / "notes.txt").write_text("not an image")
    return tmp_path


def test_folder_with_parts(folder: Path) -> None:
    source = open_data(folder)
    assert source.classes == ("a", "b")
    assert len(source) == 58
    assert source.shape == (6, 6, 3)
    assert source.ids[0] == "train/a/0000.png"
    assert source.keys()[0] == "train/a/0000"
    assert sum(part == "test" for part in source.parts) == 10
    assert open_data(folder, (8, 8, 1)).pixels([0]).shape == (1, 8, 8, 1)
    assert source.pixels([]).shape == (0, 6, 6, 3)
    assert find_image("train/b/0004", folder)[1] == 1


def test_lossless_images_are_held_out_where_a_folder_mixes(folder: Path) -> None:
    source = open_data(folder)
    with pytest.raises(DataError, match=r"classes .* at least 14"):
        make_splits(open_data(folder / "test"))
    splits = make_splits(source)
    reference = positions(source, splits["reference"])
    assert not source.lossless[reference].any()
    held = [key for name in ("dev", "calibration", "evaluation") for key in splits[name]]
    assert source.lossless[positions(source, held)].all()
    assert len(reference) + len(held) == 48
    assert not any(key.startswith("test") for keys in splits.values() for key in keys)


def test_splits_depend_on_the_seed_alone() -> None:
    source = open_source("digits")
    assert make_splits(source, 1) == make_splits(source, 1)
    assert make_splits(source, 1) != make_splits(source, 2)


@pytest.mark.parametrize("kind", ["missing", "file", "empty", "no images", "broken"])
def test_unusable_folders_are_one_sentence(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "data"
    if kind == "file":
        place.write_text("x")
    elif kind != "missing":
        place.mkdir()
    if kind in ("no images", "broken"):
        (place / "a").mkdir()
    if kind == "broken":
        (place / "a" / "x.png").write_bytes(b"nothing")
        with pytest.raises(Exception, match=r"x\.png is not a PNG"):
            open_data(place)
        return
    with pytest.raises(DataError):
        open_data(place)


def test_unknown_names() -> None:
    with pytest.raises(BadRequestError, match="unknown source"):
        open_source("imagenet")
    with pytest.raises(BadRequestError, match="--data"):
        open_source("folder")
    for image_id in ("samples:99", "digits:-1", "x:1", "train/cat", "train/unicorn/0001"):
        with pytest.raises(DataError):
            find_image(image_id)
