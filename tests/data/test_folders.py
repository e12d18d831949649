"""Image folders as people have them: what is a class, what is one image, what is held out."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ndcore.data.catalog import find_image
from ndcore.data.folders import folder_source
from ndcore.data.splits import SPLITS, make_splits


def place(root: Path, *names: str, size: tuple[int, int] = (4, 4)) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        colour = zlib.crc32(name.encode())  # one of its own, as copies are no images of their own
        Image.new("RGB", size, tuple(colour.to_bytes(4, "big")[:3])).save(root / name)


def test_files_of_one_stem_are_different_images(tmp_path: Path) -> None:
    place(tmp_path, "a/1.png", "a/1.bmp", "a/1.png.jpg", "a/2.png")
    keys = folder_source(tmp_path).keys()
    assert keys == ("a/1.bmp", "a/1.png", "a/1.png.jpg", "a/2")


@pytest.mark.parametrize("lossless", [0, 1, 5, 30, 36])
def test_every_split_holds_every_class(tmp_path: Path, lossless: int) -> None:
    for i in range(36):
        kind = "png" if i < lossless else "jpg"
        place(tmp_path, f"cat/{i}.{kind}", f"dog/{i}.{'jpg' if i < 18 else 'png'}")
    splits = make_splits(folder_source(tmp_path))
    for split in SPLITS:
        assert {key.split("/")[0] for key in splits[split]} == {"cat", "dog"}
    assert sum(len({*keys}) for keys in splits.values()) == 72
    assert len({key for keys in splits.values() for key in keys}) == 72


def test_the_fewest_images_of_a_class_reach_every_split(tmp_path: Path) -> None:
    place(tmp_path, *(f"a/{i}.png" for i in range(14)))
    assert [len(keys) for keys in make_splits(folder_source(tmp_path)).values()] == [8, 1, 2, 3]


def test_an_image_of_a_folder_is_found_by_its_path(tmp_path: Path) -> None:
    place(tmp_path, "a/0.png", size=(9, 7))
    place(tmp_path, "a/2024-01-01T10:00:05.png")
    for shape in ((4, 4, 3), (5, 5, 1)):
        assert find_image("a/2024-01-01T10:00:05.png", tmp_path, shape)[0].shape == shape
    assert np.ptp(find_image("a/2024-01-01T10:00:05", tmp_path)[0], (0, 1)).max() == 0
