"""Values as bytes: whole again, and nothing but values."""

from __future__ import annotations

import json

import numpy as np
import pytest

from ndcore.attacks import AttackConfig
from ndcore.concept_graph import Unit
from ndcore.data.batch import Choice
from ndcore.storage.tree import TreeError, decode, encode

VALUES = [
    None,
    True,
    -3,
    0.1,
    float("inf"),
    "é\n",
    b"\x00\xff",
    [1, [2]],
    (1, ("a", None)),
    {3: "x", ("a", 1): [b"y"]},
    {},
    AttackConfig("exhaustive", pixels=3),
    [Unit("conv", 3)],
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_value_comes_back_equal_and_of_its_type(value: object) -> None:
    found = decode(encode(value))
    assert found == value
    assert repr(found) == repr(value)


def test_arrays_numbers_and_what_is_not_a_number_come_back() -> None:
    rng = np.random.default_rng(0)
    choice = Choice(("a",), np.array([7]), rng.integers(0, 256, (1, 4, 4, 3), np.uint8), ("é",))
    found = decode(encode({"choice": choice, "n": np.float32(0.5), "nan": float("nan")}))
    assert np.array_equal(found["choice"].pixels, choice.pixels)
    assert found["choice"].pixels.dtype == np.uint8
    found["choice"].pixels[0] = 0  # it can be worked on
    assert found["choice"].names == ("é",)
    assert isinstance(found["n"], np.float32)
    assert np.isnan(found["nan"])


@pytest.mark.parametrize(
    "value",
    [object(), {1, 2}, np.array([object()]), lambda: 0],
    ids=["object", "set", "objects", "function"],  # the same in every process
)
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(TreeError):
        encode([value])


def written(head: object, blocks: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return len(text).to_bytes(8, "big") + text + blocks


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 40,
        encode(np.arange(9))[:-1],
        written({"class": "os:system", "fields": {}}),
        written({"class": "subprocess:Popen", "fields": {"args": ["true"]}}),
        written({"class": "ndcore.jobs.job:Job", "fields": {}}),
        written({"class": "ndcore.nothing:Here", "fields": {}}),
        written({"class": "ndcore.attacks.config:AttackConfig", "fields": {"none": 1}}),
        written({"array": [0, 8], "type": "|O", "shape": [1]}, b"12345678"),
        written({"array": [-8, 8], "type": "<i8", "shape": [1]}, b"12345678"),
        written({"what": 1}),
        b"\x00\x00\x00\x00\x00\x01\x86\xa0" + b"[" * 100_000,
    ],
    ids=range(12),
)
def test_foreign_and_damaged_bytes_are_refused_and_run_nothing(data: bytes) -> None:
    with pytest.raises(TreeError):
        decode(data)
