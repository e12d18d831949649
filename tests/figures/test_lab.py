"""Figures of the Attack Lab: maps, matrices and readings say what their numbers say."""

from __future__ import annotations

import base64
import json
import re
import struct

import numpy as np
import plotly.graph_objects as go
import pytest

from ndcore.data.decode import encode_png
from ndcore.figures.lab.batch import HELD, class_matrix, count_outcomes, success_curve
from ndcore.figures.lab.grid_map import (
    class_legend,
    flip_colours,
    lowest_colours,
    map_tips,
    ramp_legend,
)
from ndcore.figures.lab.pixel_panel import opaque, pack_pixels
from ndcore.figures.lab.readout import layer_rows, probability_rows, unit_rows
from ndcore.figures.style.difference import amplified_difference
from ndcore.figures.style.pair_tiles import PairTile, pair_tiles
from ndcore.figures.style.palette import class_colours
from ndcore.figures.style.pixel_image import pixel_image
from ndcore.figures.style.rows import Bar, Row, rows_markup

CLASSES = ("cat", "dog", "frog <b>")
LOWEST = np.array([[0.9, 0.45, np.nan], [0.0, 0.2, 0.95]], np.float32)
FLIPS = np.array([[-1, 2, -1], [1, 1, -1]])


def test_packed_pixels_read_back() -> None:
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    message = pack_pixels(opaque(image), {"stamp": 3})
    length = struct.unpack_from("<I", message)[0]
    header = json.loads(message[4 : 4 + length])
    assert header == {"stamp": 3, "height": 2, "width": 3}
    colours = np.frombuffer(message, np.uint8, offset=4 + length).reshape(2, 3, 4)
    np.testing.assert_array_equal(colours[..., :3], image)
    assert (colours[..., 3] == 255).all()


def test_a_grey_image_is_grey_in_all_three_channels() -> None:
    image = np.array([[[7], [200]]], np.uint8)
    np.testing.assert_array_equal(opaque(image)[0], [[7, 7, 7, 255], [200, 200, 200, 255]])


def test_lowest_colours_grow_brighter_as_the_probability_falls() -> None:
    colours = lowest_colours(LOWEST, 0.9)
    brightness = colours[..., :3].sum(-1).astype(int)
    assert brightness[1, 0] > brightness[1, 1] > brightness[0, 1] > brightness[0, 0]
    assert colours[0, 2, 3] == 0, "not tried"
    assert tuple(colours[1, 0]) == (0xFE, 0xE8, 0x38, 255)
    # Above the untouched image's probability the scale ends.
    assert tuple(colours[1, 2]) == tuple(colours[0, 0]) == (0x00, 0x22, 0x4E, 255)


def test_flip_colours_are_the_class_colours() -> None:
    colours = flip_colours(FLIPS, np.isfinite(LOWEST), 3)
    palette = class_colours(3)
    assert "#" + bytes(colours[0, 1, :3]).hex() == palette[2]
    assert "#" + bytes(colours[1, 0, :3]).hex() == palette[1]
    assert 0 < colours[0, 0, 3] < 255, "no flip is faint"
    assert colours[0, 2, 3] == 0, "not tried"


def test_map_tips_and_legends_tell_the_numbers() -> None:
    worst = np.zeros((2, 3, 3), np.uint8)
    worst[1, 0] = (255, 0, 255)
    tips = map_tips(LOWEST, FLIPS, worst, CLASSES, true=0)
    assert len(tips) == 6
    assert tips[2] == "not tried"
    assert tips[3] == "worst colour 255, 0, 255 · cat down to 0.00% · flips to dog"
    assert tips[0].endswith("no flip")
    legend = class_legend(FLIPS, CLASSES, partial=True)
    assert "dog (2 px)" in legend
    assert "frog &lt;b&gt; (1 px)" in legend
    assert "cat (" not in legend
    assert "not tried" in legend
    assert "not tried" not in class_legend(FLIPS, CLASSES, partial=False)
    assert "90.0%" in ramp_legend("cat", 0.9, partial=False)


def test_outcomes_are_counted_by_true_class_and_failures_apart() -> None:
    counts = count_outcomes([0, 0, 1, 2], [1, 1, 0, 2], [True, True, True, False], 3)
    assert counts.tolist() == [[0, 2, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]
    figure = class_matrix(counts, CLASSES, title="T")
    assert [list(cell) for cell in figure.data[1].customdata] == [[0, 1, 2], [1, 0, 1], [2, 3, 1]]
    assert figure.data[0].x[-1] == HELD
    assert figure.data[0].text[0][1] == "2"
    assert HELD not in class_matrix(counts, CLASSES, title="T", held=False).data[0].x


def test_of_many_classes_only_those_that_occur_are_drawn() -> None:
    counts = np.zeros((40, 41), np.int64)
    counts[7, 9] = 4
    figure = class_matrix(counts, [f"c{i}" for i in range(40)], title="T")
    assert figure.data[0].y == ("c7",)
    assert figure.data[0].x == ("c9",)


def test_the_success_curve_counts_failures() -> None:
    figure = success_curve([64, 10], attacked=4, most=800)
    assert list(figure.data[0].x) == [1, 10, 64, 800]
    assert list(figure.data[0].y) == [0, 0.25, 0.5, 0.5]


@pytest.mark.parametrize(
    "figure",
    [
        success_curve([], attacked=0, most=0),
        class_matrix(np.zeros((3, 4), np.int64), CLASSES, title="nothing"),
    ],
)
def test_figures_of_nothing_are_valid_and_transparent(figure: go.Figure) -> None:
    json.loads(figure.to_json())
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.font.color is None
    assert figure.layout.title.text


def test_the_difference_is_enlarged_around_grey() -> None:
    benign = np.full((1, 3, 1), 100, np.uint8)
    attacked = np.array([[[100], [104], [98]]], np.uint8)
    picture, gain = amplified_difference(benign, attacked)
    assert gain == 127 / 4
    assert picture[0, :, 0].tolist() == [128, 255, 64]
    unchanged, gain = amplified_difference(benign, benign)
    assert gain == 1
    assert (unchanged == 128).all()
    # A full swing is not enlarged, and is cut off rather than wrapped around.
    swing, gain = amplified_difference(np.zeros_like(benign), np.full_like(benign, 255))
    assert gain == 1
    assert (swing == 255).all()


def test_rows_are_safe_and_their_bars_stay_inside() -> None:
    text = rows_markup([Row("<i>", (Bar(1.7, "#000000"), Bar(-1, "#000000")), "a & b")], label='"')
    assert "&lt;i&gt;" in text
    assert "a &amp; b" in text
    assert 'aria-label="&quot;"' in text
    assert "width:100.00%" in text
    assert "width:0.00%" in text


def test_readings_tell_before_and_now() -> None:
    before, now = np.array([0.9, 0.1, 0.0]), np.array([0.2, 0.8, 0.0])
    text = probability_rows(CLASSES, before, now, true=0)
    assert "cat ★" in text
    assert "90.0 → 20.0%" in text
    assert "p-value" in layer_rows(["a"], [0.5], [0.001], 0.001)
    assert "0.500 → 0.001" in layer_rows(["a"], [0.5], [0.001], 0.001)
    assert "1.00 → 3.00" in unit_rows(["a · 1"], [1.0], [3.0], [0.2])
    assert unit_rows([], [], [], [])


def test_of_many_classes_the_likeliest_are_listed() -> None:
    before, now = np.eye(100)[3], np.eye(100)[97]
    text = probability_rows([f"c{i}" for i in range(100)], before, now)
    assert text.count("<tr>") == 12
    assert ">c3<" in text
    assert ">c97<" in text


def test_tiles_and_hatched_pictures() -> None:
    png = encode_png(np.zeros((8, 8, 3), np.uint8))
    text = pair_tiles([PairTile(png, png, (8, 8), ((1, 2),), "samples:<1>", "cat → dog")] * 2)
    assert text.count("<figure") == 2
    assert "samples:&lt;1&gt;" in text
    source = re.search(
        r"svg\+xml;base64,([\w+/=]+)", pixel_image(png, (8, 8), label="", hatched=True)
    )
    assert source is not None
    assert b"<pattern" in base64.b64decode(source[1])
