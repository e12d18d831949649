"""What in a folder is a class, a part of the data or one image; what is left out is said."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from ndcore.data.folder.intake import Intake
from ndcore.data.folder.listing import list_folder
from ndcore.data.folders import folder_source
from ndcore.data.splits import make_splits
from ndcore.errors import DataError


def place(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        colour = zlib.crc32(name.encode())  # one of its own, as copies are no images of their own
        Image.new("RGB", (4, 4), tuple(colour.to_bytes(4, "big")[:3])).save(root / name)


@pytest.mark.parametrize(
    "names",
    [
        ["bus/1.png", "car/1.png", "train/1.png"],
        ["bus/a/1.png", "car/a/1.png", "train/a/1.png"],
        ["test/1.png", "train/1.png"],
        ["cat/1.png", "cat/more/2.png", "cat/more/deep/3.png", "dog/only/1.png"],
        ["cat/1.tif", "cat/2.tiff", "cat/3.ppm", "cat/4.JPG", "dog/1.webp", "dog/2.bmp"],
    ],
)
def test_classes_and_images_are_those_of_torchvision(tmp_path: Path, names: list[str]) -> None:
    place(tmp_path, *names)
    theirs, ours = ImageFolder(str(tmp_path)), folder_source(tmp_path)
    assert list(ours.classes) == theirs.classes
    assert [str(tmp_path / name) for name in ours.ids] == [path for path, _ in theirs.samples]
    assert ours.labels.tolist() == theirs.targets
    assert ours.pixels(range(len(ours))).shape == (len(names), 4, 4, 3)


PARTED = tuple(f"{part}/{label}/1.png" for part in ("train", "test") for label in "ab")


def test_parts_are_no_classes(tmp_path: Path) -> None:
    place(tmp_path, *PARTED)
    source = folder_source(tmp_path)
    assert (source.classes, source.parts) == (("a", "b"), ("train",) * 2 + ("test",) * 2)
    place(tmp_path, "masks/1.png")
    source = folder_source(tmp_path)
    assert (source.classes, source.parts) == (("a", "b"), ("train",) * 2 + ("test",) * 2)
    assert source.left_out == ("folder 'masks' left out, beside the parts of the data",)
    place(tmp_path, "valid/a/1.png", "valid/c/1.png")
    source = folder_source(tmp_path)
    assert source.classes == ("a", "b", "c")
    assert source.parts == ("train",) * 2 + ("val",) * 2 + ("test",) * 2


def test_what_is_not_of_the_training_part_is_never_learnt_from(tmp_path: Path) -> None:
    place(tmp_path, *(f"train/a/{i}.png" for i in range(14)))
    place(tmp_path, *(f"{part}/a/{i}.png" for i in range(20) for part in ("val", "test")))
    splits = make_splits(folder_source(tmp_path))
    assert {key.split("/")[0] for keys in splits.values() for key in keys} == {"train"}
    assert sum(map(len, splits.values())) == 14


def test_whoever_knows_better_says_whether_there_are_parts(tmp_path: Path) -> None:
    place(tmp_path, *PARTED)
    asked = list_folder(tmp_path, Intake(parts=False))
    assert (asked.classes, asked.labels, set(asked.parts)) == (
        ("test", "train"),
        (0, 0, 1, 1),
        {""},
    )
    place(tmp_path, "bus/a/1.png", "bus/b/1.png")
    with pytest.raises(DataError, match="may be classes or parts of the data: say --parts no"):
        list_folder(tmp_path, Intake())
    assert list_folder(tmp_path, Intake(parts=False)).classes == ("bus", "test", "train")
    parted = list_folder(tmp_path, Intake(parts=True))
    assert parted.classes == ("a", "b")
    assert parted.left_out == ("folder 'bus' left out, beside the parts of the data",)
    with pytest.raises(DataError, match=r"has no part \(train, test, val"):
        list_folder(tmp_path / "bus", Intake(parts=True))


def test_what_is_left_out_is_said_with_its_kinds(tmp_path: Path) -> None:
    place(tmp_path, "a/1.png", "a/more/2.png", "b/1.png", "b/._1.png", "__MACOSX/a/._1.png")
    place(tmp_path, "stray.png", ".hidden/1.png")
    for i in range(10):
        (tmp_path / "a" / f"{i}.txt").touch()
    for name in ("a/1.PDF", "b/2.pdf", "b/Makefile", "b/.DS_Store", "a/more/x.gif", "readme.md"):
        (tmp_path / name).touch()
    found = list_folder(tmp_path, Intake(without=("a/more/2.png",)))
    assert found.classes == ("a", "b")
    assert found.ids == ("a/1.png", "b/1.png")
    assert found.left_out == (
        "15 files left out: 10 .txt, 2 .pdf, 1 .md, 1 .gif, 1 without a suffix",
        "1 image left out, in no class folder, such as stray.png",
        "1 image file left out that could not be read before",
    )


def test_a_folder_linked_into_itself_is_read_once(tmp_path: Path) -> None:
    place(tmp_path, "a/1.png", "b/1.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "c").symlink_to(tmp_path / "b")
    found = list_folder(tmp_path, Intake())
    assert found.labels == (0, 1, 2)


def test_nothing_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist or is no folder"):
        list_folder(tmp_path / "nowhere", Intake())
    with pytest.raises(DataError, match="no class subfolders with images: put the images"):
        list_folder(tmp_path, Intake())
    place(tmp_path, "1.png", "2.png")
    with pytest.raises(DataError, match="images but 2 images of no class: put"):
        list_folder(tmp_path, Intake())
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.pdf").touch()
    with pytest.raises(DataError, match=r"holds no images \(.*\), only 1 \.pdf"):
        list_folder(tmp_path, Intake())
