"""Bundles as a stranger may make them, with checksums that fit: name -> what is done to a good one.

Each function gets the folder of a copy, and the file that code leaves behind when it ran.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.lib.format as npy

Spoil = Callable[[Path, Path], None]


def sealed(spoil: Callable[[Path], None]) -> Spoil:
    """The same, with the checksums made anew."""

    def do(folder: Path, _flag: Path) -> None:
        spoil(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        for file in manifest["files"]:
            if (folder / file).is_file():
                content = (folder / file).read_bytes()
                manifest["files"][file] = hashlib.sha256(content).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return do


def says(**changes: Any) -> Spoil:
    """A manifest with other entries; a dictionary is laid over the one that is there."""

    def do(folder: Path, _flag: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        for key, value in changes.items():
            known = manifest.get(key)
            both = isinstance(value, dict) and isinstance(known, dict)
            manifest[key] = known | value if both else value
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return do


def first_layer(**changes: Any) -> Spoil:
    def do(folder: Path, _flag: Path) -> None:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["layers"][0] |= changes
        (folder / "manifest.json").write_text(json.dumps(manifest))

    return do


def raw_manifest(content: bytes) -> Spoil:
    return lambda folder, _flag: (folder / "manifest.json").write_bytes(content) and None


def holds(file: str, content: bytes) -> Spoil:
    """A file of the bundle with another content."""
    return sealed(lambda folder: (folder / file).write_bytes(content) and None)


def pickled(file: str) -> Spoil:
    def do(folder: Path, flag: Path) -> None:
        holds(file, f"cposix\nsystem\n(S'touch {flag}'\ntR.".encode())(folder, flag)

    return do


def code_beside(place: str) -> Spoil:
    """A model whose Python file lies in the bundle, or beside it."""

    def do(folder: Path, flag: Path) -> None:
        script = folder / place
        script.write_text(f"open({str(flag)!r}, 'w').close()\ndef make():\n    pass\n")
        says(model=f"{script}:make")(folder, flag)

    return do


def arrays(file: str, change: Callable[[dict[str, Any]], object]) -> Spoil:
    """An archive of which `change` alters the arrays."""

    def do(folder: Path) -> None:
        with np.load(folder / file) as stored:
            held = dict(stored)
        change(held)
        np.savez_compressed(folder / file, **held)

    return sealed(do)


def each_array(file: str, make: Callable[[Any], Any], ending: str = "") -> Spoil:
    """An archive of which every array is made anew."""
    return arrays(
        file,
        lambda held: held.update(
            {name: make(value) for name, value in held.items() if name.endswith(ending)}
        ),
    )


def first_array(shape: tuple[int, ...], bytes_held: int) -> Spoil:
    """Distributions whose first array says one size and holds so many zeros, well packed."""

    def do(folder: Path) -> None:
        with np.load(folder / "distributions.npz") as stored:
            name = stored.files[0]
        with (
            zipfile.ZipFile(
                folder / "distributions.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1
            ) as archive,
            archive.open(f"{name}.npy", "w", force_zip64=True) as member,
        ):
            head = io.BytesIO()
            about = {"descr": "<u8", "fortran_order": False, "shape": shape}
            npy.write_array_header_1_0(head, about)
            member.write(head.getvalue())
            block = bytes(1 << 24)
            for start in range(0, bytes_held, len(block)):
                member.write(block[: min(len(block), bytes_held - start)])

    return sealed(do)


def tensors(head: bytes, length: int | None = None) -> Spoil:
    """Weights whose head says what is not there."""
    size = len(head) if length is None else length
    return holds("weights.safetensors", size.to_bytes(8, "little") + head)


def lines(file: str, change: Callable[[Any], Any]) -> Spoil:
    """A JSON file of which `change` makes another document."""

    def do(folder: Path) -> None:
        document = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(change(document)))

    return sealed(do)


def attack(**changes: Any) -> Spoil:
    return lines("gallery.json", lambda rows: [rows[0] | changes, *rows[1:]])


def pixel(**changes: Any) -> Spoil:
    return lines("gallery.json", lambda rows: [rows[0] | {"pixels": [PIXEL | changes]}])


def instead(file: str, make: Callable[[Path], object]) -> Spoil:
    """Something else in place of a file."""

    def do(folder: Path, _flag: Path) -> None:
        (folder / file).unlink()
        make(folder / file)

    return do


def elsewhere(folder: Path, _flag: Path) -> None:
    """The whole bundle lies in another place; the owner of the machine may do that."""
    away = folder.parent.parent / "elsewhere"
    shutil.move(folder, away)
    folder.symlink_to(away)


def copied_link(folder: Path, flag: Path) -> None:
    """A file that leads out of the bundle, to one with the very content."""
    shutil.copy(folder / "gallery.json", flag.parent / "outside.json")
    instead("gallery.json", lambda path: path.symlink_to(flag.parent / "outside.json"))(
        folder, flag
    )


PIXEL = {"row": 0, "col": 0, "rgb_before": [0], "rgb_after": [9]}
DISTRIBUTIONS, CALIBRATION = "distributions.npz", "calibration.npz"
CODE: dict[str, Spoil] = {
    f"model {name}": says(model=name)
    for name in (
        "os:system",
        "os:abort",
        "os:_exit",
        "sys:exit",
        "builtins:input",
        "signal:pause",
        "antigravity:fly",
        "../elsewhere/model.py:make",
        "/dev/zero.pt",
        "/etc/passwd",
        "net.onnx",
        "net.pt2",
        "said.npz",
        "",
        "digits-cnn\0",
    )
}
CODE |= {
    "model in the bundle": code_beside("payload.py"),
    "model beside the bundle": code_beside("../../payload.py"),
    "model a number": says(model=7),
    "model a list": says(model=["digits-cnn"]),
}
CODE |= {
    f"pickle as {file}": pickled(file)
    for file in (
        "weights.safetensors",
        DISTRIBUTIONS,
        CALIBRATION,
        "splits.json",
        "gallery.json",
    )
}
SIZES: dict[str, Spoil] = {
    "arrays of objects": each_array(DISTRIBUTIONS, lambda _: np.array([object], object)),
    "2 GB of zeros": first_array((2 << 27,), 2 << 30),
    "8 TB that are not there": first_array((1 << 40,), 100),
    "tensor that is not there": tensors(
        json.dumps(
            {"x": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
        ).encode()
    ),
    "tensors' head of 1 EB": tensors(b"{}", 1 << 60),
    "tensors' head of brackets": tensors(b"[" * 100_000),
    "manifest of 100 MB": says(pad="x" * 100_000_000),
    "manifest of brackets": raw_manifest(b"[" * 200_000),
    "manifest of objects": raw_manifest(b'{"a":' * 200_000),
    "manifest in UTF-16": raw_manifest("{}".encode("utf-16")),
    "manifest with a half character": raw_manifest(b'{"a": "\\ud800", "b": "\xff"}'),
    "splits of brackets": holds("splits.json", b"[" * 200_000),
    "gallery of brackets": holds("gallery.json", b"[" * 200_000),
}
WORDS: dict[str, Spoil] = {
    "files a list": says(files=["weights.safetensors"]),
    "files null": says(files=None),
    "files that lead out": says(files={"../../../../etc/passwd": "0" * 64}),
    "files with an unknown one": says(files={"payload.py": "0" * 64}),
    "files without checksums": says(files={"splits.json": None}),
    "classes a number": says(classes=7),
    "classes null": says(classes=[None, {}]),
    "classes twice": says(classes=["a"] * 10),
    "classes too few": says(classes=["a", "b"]),
    "shape text": says(shape="big"),
    "shape huge": says(shape=[10**6, 10**6, 3]),
    "shape large": says(shape=[8192, 8192, 1]),
    "shape of two": says(shape=[8, 8]),
    "shape of fractions": says(shape=[8.5, 8, 1]),
    "layers null": says(layers=None),
    "layers of text": says(layers=["a", "b"]),
    "layer unknown": first_layer(name="nowhere"),
    "layer with other units": first_layer(units=3),
    "layer with no units": first_layer(units=0),
    "layer with other reductions": first_layer(reductions=["value"]),
    "layer with odd reductions": first_layer(reductions=["../x"]),
    "accuracy null": says(accuracy=None),
    "accuracy text": says(accuracy={"accuracy": "high", "ci95": 3, "n": "x"}),
    "accuracy infinite": says(accuracy={"accuracy": float("inf")}),
    "accuracy of -1 images": says(accuracy={"n": -1}),
    "distributions null": says(distributions=None),
    "distributions of other classes": says(distributions={"held": [0, 99]}),
    "intake text": says(intake="crop"),
    "intake of 7": says(intake={"crop": 7}),
    "form text": says(form={"closed": "yes"}),
    "data a list": says(data=[1]),
    "root a number": says(data={"root": 7}),
    "weight hash of another": says(weight_hash="0" * 64),
    "weight hash short": says(weight_hash="0"),
    "schema true": says(schema_version=True),
    "schema of tomorrow": says(schema_version=99),
}
INSIDE: dict[str, Spoil] = {
    "counts below 0": each_array(DISTRIBUTIONS, lambda a: -a.astype(np.int64), "counts"),
    "counts of fractions": each_array(DISTRIBUTIONS, lambda a: a + 0.5, "counts"),
    "counts of fewer units": each_array(DISTRIBUTIONS, lambda a: a[:, :1], "counts"),
    "counts without bins": each_array(DISTRIBUTIONS, lambda a: a[..., :1], "counts"),
    "ranges upside down": each_array(DISTRIBUTIONS, lambda a: a + 1e6, "lo"),
    "ranges that are none": each_array(DISTRIBUTIONS, lambda a: a * np.nan, "hi"),
    "distributions empty": arrays(DISTRIBUTIONS, dict.clear),
    "calibration of class 99": each_array(CALIBRATION, lambda a: a + 99, "predicted"),
    "calibration without classes": arrays(CALIBRATION, lambda held: held.pop("predicted")),
    "calibration of no numbers": each_array(CALIBRATION, lambda a: a * np.nan, "scores"),
    "calibration of text": each_array(CALIBRATION, lambda a: a.astype("U8"), "scores"),
    "calibration too short": each_array(CALIBRATION, lambda a: a[:1], "scores"),
    "calibration of other layers": each_array(CALIBRATION, lambda a: a[:, :1], "layers"),
    "calibration of what is unknown": arrays(CALIBRATION, lambda h: h.update(x=np.zeros(1))),
    "splits a list": lines("splits.json", list),
    "splits of other names": lines("splits.json", lambda held: {"train": held["dev"]}),
    "splits of numbers": lines("splits.json", lambda held: held | {"dev": [1, 2]}),
    "gallery an object": lines("gallery.json", lambda rows: {"a": 1}),
    "gallery of odd rows": lines("gallery.json", lambda rows: [{"id": "digits:0"}, 5, None]),
    "gallery with more entries": attack(payload=1),
    "gallery of an unknown class": attack(true="moon"),
    "gallery of text": attack(queries="many"),
    "gallery without pixels": attack(pixels=[]),
    "gallery beyond the image": pixel(row=99),
    "gallery beyond the colours": pixel(rgb_after=[999]),
    "gallery of three colours": pixel(rgb_after=[1, 2, 3]),
}
PLACES: dict[str, Spoil] = {
    "gallery that leads out": copied_link,
    "gallery of the machine": instead("gallery.json", lambda p: p.symlink_to("/etc/hostname")),
    "gallery that leads to itself": instead("gallery.json", lambda p: p.symlink_to(p.name)),
    "gallery a pipe": instead("gallery.json", os.mkfifo),
    "gallery a folder": instead("gallery.json", os.mkdir),
    "manifest a pipe": instead("manifest.json", os.mkfifo),
    "manifest a folder": instead("manifest.json", os.mkdir),
    "manifest of zeros": instead("manifest.json", lambda p: p.symlink_to("/dev/zero")),
}
REFUSED = CODE | SIZES | WORDS | INSIDE | PLACES
# Odd, but nothing is wrong with them.
TAKEN: dict[str, Spoil] = {
    "called by another name": says(name="../../evil"),
    "in another place": elsewhere,
    **dict.fromkeys(
        ("<img src=x onerror=alert(1)>", "![x](y)", "a\nb"),
        partial(lambda folder, flag: None),
    ),
}
