"""Copies of a file are told and stay on one side; broken files are left out only when asked to."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ndcore.cli import main
from ndcore.data.copies import first_copies, without_broken
from ndcore.data.folders import folder_source
from ndcore.data.splits import make_splits
from ndcore.errors import BadImageError, DataError
from tests.own import kinds

SEQUENTIAL = f"{Path(kinds.__file__).resolve()}:plain"


def noise(root: Path, classes: str = "abc", count: int = 16) -> None:
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (12, 12, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{i:02d}.png")


def test_copies_are_on_one_side_whatever_the_seed(tmp_path: Path) -> None:
    noise(tmp_path)
    for i in range(16):
        shutil.copy(tmp_path / "a" / f"{i:02d}.png", tmp_path / "a" / f"copy of {i:02d}.png")
    shutil.copy(tmp_path / "a" / "03.png", tmp_path / "c" / "also a.png")
    source = folder_source(tmp_path)
    first = first_copies(source)
    assert (first != np.arange(len(first))).sum() == 17
    named = zip(source.keys(), source.ids, strict=True)
    files = {key: Path(tmp_path, name).read_bytes() for key, name in named}
    for seed in range(5):
        splits = make_splits(source, seed)
        assert sum(len(keys) for keys in splits.values()) == len(source)
        sides = [{files[key] for key in keys} for keys in splits.values()]
        assert sum(len(side) for side in sides) == len(set(files.values()))


def test_without_copies_the_splits_are_as_ever(tmp_path: Path) -> None:
    noise(tmp_path, "ab", 30)
    source = folder_source(tmp_path)
    splits = make_splits(source, 3)
    rng = np.random.default_rng(3)
    for label, name in enumerate("ab"):
        order = rng.permutation(np.flatnonzero(source.labels == label))
        expected = sorted(source.keys()[i] for i in order[12:])
        assert [key for key in splits["reference"] if key.startswith(name)] == expected


def test_too_few_different_images_are_refused(tmp_path: Path) -> None:
    noise(tmp_path, "ab")
    for i in range(3, 16):
        shutil.copy(tmp_path / "a" / "00.png", tmp_path / "a" / f"{i:02d}.png")
    with pytest.raises(DataError, match="'a' has 3 different images; at least 14"):
        make_splits(folder_source(tmp_path))


def test_broken_files_stop_or_are_left_out_by_name(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    noise(tmp_path / "d")
    for name in ("b/05.png", "c/07.png"):
        whole = (tmp_path / "d" / name).read_bytes()
        (tmp_path / "d" / name).write_bytes(whole[: len(whole) // 2])
    shutil.copy(tmp_path / "d" / "a" / "00.png", tmp_path / "d" / "a" / "zz.png")
    source, broken = without_broken(folder_source(tmp_path / "d"))
    assert broken == ["b/05.png", "c/07.png"]
    assert len(source) == 47
    assert source.pixels(range(47)).shape == (47, 12, 12, 3)
    build = ["build", "mine", "--model", SEQUENTIAL, "--data", str(tmp_path / "d")]
    build += ["--gallery", "0"]
    assert main(build) == 2
    told = capsys.readouterr().err
    assert ".png is truncated or damaged" in told
    assert main([*build, "--skip-broken"]) == 0
    told = capsys.readouterr().out
    assert "left out, because they cannot be read: 2 image files, such as b/05.png" in told
    assert "copies of other images: 1 file, such as a/zz.png of a/00.png" in told


def test_a_broken_file_that_is_read_first_is_left_out_as_any_other(
    tmp_path: Path, empty_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "d"
    noise(root)
    whole = (root / "a" / "05.png").read_bytes()
    (root / "a" / "+.png").write_bytes(whole[: len(whole) // 2])
    given = [SEQUENTIAL, "--data", str(root)]
    assert main(["check", *given]) == 1
    told = capsys.readouterr().out
    assert "a/+.png is truncated or damaged" in told
    assert "leave out what cannot be read with --skip-broken" in told
    for command in (["check"], ["train", "--epochs", "1"], ["build", "mine", "--gallery", "0"]):
        asked = [*command, "--model", *given] if command[0] == "build" else [*command, *given]
        assert main([*asked, "--skip-broken"]) == 0, command
        told = "".join(capsys.readouterr())
        assert "left out, because they cannot be read: 1 image file, such as a/+.png" in told


def test_where_no_file_can_be_read_the_first_is_named(tmp_path: Path) -> None:
    for name in ("a/0.png", "b/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("no image")
    with pytest.raises(BadImageError, match=r"a/0\.png"):
        folder_source(tmp_path)
