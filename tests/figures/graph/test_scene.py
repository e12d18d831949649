"""The packed drawing says what it was given: places, pictures and numbers."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ndcore.figures.graph.scene import (
    CELL,
    Scene,
    SceneEdge,
    SceneUnit,
    pack_scene,
    sheet_of,
    with_pin,
)


def unpacked(message: bytes) -> tuple[dict[str, Any], bytes]:
    length, picture = struct.unpack("<II", message[:8])
    end = 8 + length + picture
    pin = json.loads(message[end:]) if len(message) > end else {}
    return json.loads(message[8 : 8 + length]) | pin, message[8 + length : end]


def unit(column: int, number: int, **more: Any) -> SceneUnit:
    return SceneUnit(f"layer{column}:{number}", column, str(number), 1.0, (("rank", "1"),), **more)


@pytest.fixture
def scene() -> Scene:
    grey = np.full((3, 3, 1), 200, np.uint8)
    green = np.zeros((8, 8, 3), np.uint8)
    green[..., 1] = 220
    units = (unit(0, 7), unit(0, 9), unit(1, 1), unit(1, 4))
    # The edges cross unless one layer is turned round.
    edges = (SceneEdge(0, 3, 1.0, 1, ()), SceneEdge(1, 2, 0.5, -1, (), stable=False))
    return Scene(
        "cat", "Graph of cat", ("layer0", "layer1"), units, edges, (grey, None, green, None)
    )


def test_units_get_a_row_and_a_picture(scene: Scene) -> None:
    header, picture = unpacked(with_pin(pack_scene(scene), "layer0:7", 3))
    assert [each["key"] for each in header["units"]] == [each.key for each in scene.units]
    rows = [each["slot"] for each in header["units"]]
    assert sorted(rows[:2]) == sorted(rows[2:]) == [0.5, 1.5]
    assert (rows[0] < rows[1]) == (rows[3] < rows[2])
    assert [each["picture"] for each in header["units"]] == [0, -1, 1, -1]
    assert (header["pinned"], header["stamp"]) == ("layer0:7", 3)
    assert header["bands"] == [{"name": "", "rows": 2}]
    assert [each["stable"] for each in header["edges"]] == [True, False]
    sheet = np.asarray(Image.open(io.BytesIO(picture)))
    assert sheet.shape == (CELL, 2 * CELL, 3)
    assert np.abs(sheet[:, 2 : CELL - 2].astype(int) - 200).max() < 8
    assert np.abs(sheet[:, CELL + 2 :, 1].astype(int) - 220).max() < 8


def test_small_pictures_are_enlarged_without_blur(rng: np.random.Generator) -> None:
    small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
    sheet, cells = sheet_of([small])
    assert cells == [0]
    assert (sheet == small.repeat(CELL // 4, 0).repeat(CELL // 4, 1)).all()


def test_without_pictures_there_is_no_sheet(scene: Scene) -> None:
    bare = Scene("x", "t", scene.columns, scene.units, scene.edges, (None,) * 4)
    header, picture = unpacked(pack_scene(bare))
    assert picture == b""
    assert header["sheet"]["count"] == 0
    empty, rest = unpacked(pack_scene(Scene("x", "t", (), (), (), ())))
    assert (empty["units"], rest) == ([], b"")


def test_lanes_tell_their_rows() -> None:
    units = (unit(0, 1, band=1), unit(0, 2), unit(0, 3, band=1))
    header, _ = unpacked(
        pack_scene(Scene("x", "t", ("layer0",), units, (), (None,) * 3, bands=("one", "two")))
    )
    assert header["bands"] == [{"name": "one", "rows": 1}, {"name": "two", "rows": 2}]
    assert header["units"][1]["slot"] == 0.5
