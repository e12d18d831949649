"""Studies from strangers, under the right weights: whatever is wrong with one is one sentence."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ndcore.errors import BundleError
from ndcore.storage.places import ROOT
from ndcore.study.desk import load_desk
from ndcore.study.saved import load_study
from tests.hostile.limits import MOST_MB, measured
from tests.hostile.short import some

pytestmark = pytest.mark.hostile

SHIPPED = ROOT / "cache" / "bundles" / "cifar10-vgg16" / "study"
WEIGHTS = json.loads((SHIPPED / "study.json").read_text())["weight_hash"]
MOST_S = 2

# Places in the document and what a stranger writes there.
PLACES: tuple[tuple[str | int, ...], ...] = (
    ("attacks",),
    ("attacks", 0),
    ("attacks", 0, "n"),
    ("attacks", 0, "about"),
    ("images",),
    ("images", "evaluation"),
    ("detectors",),
    ("detectors", 0, "name"),
    ("detectors", 0, "attacks"),
    ("detectors", 0, "attacks", "one-pixel"),
    ("detectors", 0, "attacks", "one-pixel", "ci95"),
    ("detectors", 3, "attacks", "one-pixel", "against", "benign-correct"),
    ("detectors", 0, "false_alarms", "pooled"),
    ("detectors", 0, "false_alarms", "per_class", "cat"),
    ("layers",),
    ("layers", "w1-top", "attacks", "one-pixel", "all"),
    ("localisation", "one-pixel"),
    ("evasion", "one-pixel"),
    ("evasion", "one-pixel", "success"),
    ("regimes", "benign"),
)
VALUES: tuple[Any, ...] = (7, "x" * 3000, [[[]]], {"a": "b"})


def wrong(place: tuple[str | int, ...], value: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        document = json.loads((folder / "study.json").read_text())
        at = document
        for step in place[:-1]:
            at = at[step]
        at[place[-1]] = value
        (folder / "study.json").write_text(json.dumps(document))

    return spoil


def arrays(name: str, **changes: Any) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        with np.load(folder / name) as held:
            known = {key: held[key] for key in held.files}
        known |= {key.replace("__", "/"): value for key, value in changes.items()}
        np.savez_compressed(folder / name, **{k: v for k, v in known.items() if v is not None})

    return spoil


def written(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def fifo(folder: Path) -> None:
    (folder / "study.json").unlink()
    os.mkfifo(folder / "study.json")


def link_out(folder: Path) -> None:
    (folder / "study.json").unlink()
    (folder / "study.json").symlink_to("/etc/hostname")


KINDS: dict[str, Callable[[Path], None]] = {
    f"{'.'.join(map(str, place))} = {str(value)[:9]}": wrong(place, value)
    for place in PLACES
    for value in VALUES
    if not (place[-1] in ("n", "evaluation") and value == 7)
    and not (place[-1] in ("name", "about") and isinstance(value, str) and len(value) < 200)
} | {
    "deep": written("study.json", b"[" * 100_000 + b"]" * 100_000),
    "deep inside": wrong(("more",), json.loads("[" * 50 + "]" * 50)),
    "empty": written("study.json", b""),
    "a list": written("study.json", b"[]"),
    "of other weights": wrong(("weight_hash",), "0" * 64),
    "huge": lambda folder: os.truncate(folder / "study.json", 64 << 20),
    "a pipe": fifo,
    "a link out": link_out,
    "an attack without figures": wrong(
        ("attacks",), [{"name": "new", "about": "new", "n": 3, "attacked": 3}]
    ),
    "no names": arrays("study.npz", names=None),
    "fewer names": arrays("study.npz", names=np.array(["a"])),
    "scores of one size": arrays("study.npz", calibration__scores=np.zeros(4, np.float32)),
    "scores of text": arrays("study.npz", calibration__scores=np.array([["a"]])),
    "no calibration": arrays("study.npz", calibration__scores=None),
    "no labels": arrays("study.npz", evaluation__labels=None),
    "fewer labels": arrays("study.npz", evaluation__labels=np.zeros(3, np.int64)),
    "a bomb": arrays("study.npz", more=np.zeros(300 << 20, np.uint8)),
    "objects": arrays("study.npz", names=np.array([{}], object)),
}
DESKS = {
    "no parts": arrays("desk.npz", parts=None),
    "parts of one": arrays("desk.npz", parts=np.array(["a"])),
    "more": arrays("desk.npz", dev__more=np.zeros(3)),
    "no keys": arrays("desk.npz", dev__keys=None),
    "fewer scores": arrays("desk.npz", dev__scores=np.zeros((2, 2), np.float16)),
    "a bomb": arrays("desk.npz", more=np.zeros(300 << 20, np.uint8)),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "study"))


def assert_one_sentence(read: Callable[[], object]) -> None:
    with measured() as cost, pytest.raises(BundleError) as told:
        read()
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 600
    assert cost.seconds < MOST_S
    assert cost.mb < MOST_MB


def test_the_shipped_one_is_read(folder: Path) -> None:
    assert load_study(folder, WEIGHTS).names
    assert load_desk(folder / "desk.npz", WEIGHTS).sets


@pytest.mark.spec("LB-6")
@pytest.mark.parametrize("kind", some(KINDS))
def test_a_foreign_study_is_one_sentence(kind: str, folder: Path) -> None:
    KINDS[kind](folder)
    assert_one_sentence(lambda: load_study(folder, WEIGHTS))


@pytest.mark.parametrize("kind", DESKS)
def test_a_foreign_desk_is_one_sentence(kind: str, folder: Path) -> None:
    DESKS[kind](folder)
    assert_one_sentence(lambda: load_desk(folder / "desk.npz", WEIGHTS))
