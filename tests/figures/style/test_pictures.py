"""Pictures, tiles and rows: crisp, and safe whatever a name holds."""

from __future__ import annotations

import base64
import re

import numpy as np
import pytest

from ndcore.data.decode import encode_png
from ndcore.figures.style.difference import amplified_difference, difference_words
from ndcore.figures.style.image_tiles import ImageTile, image_tiles
from ndcore.figures.style.palette import ATTACKED
from ndcore.figures.style.pixel_image import pixel_image
from ndcore.figures.style.rows import Bar, Row, rows_markup


@pytest.mark.spec("ND-3")
def test_pixel_image_is_crisp_ringed_and_safe() -> None:
    png = encode_png(np.zeros((32, 32, 3), np.uint8))
    text = pixel_image(
        png, (32, 32), label='a "<b>" cat', ringed=[(3, 4)], candidates=[(1, 2), (5, 6)]
    )
    assert 'alt="a &quot;&lt;b&gt;&quot; cat"' in text
    source = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", text)
    assert source is not None
    svg = base64.b64decode(source[1]).decode()
    assert svg.count('cx="4.5" cy="3.5"') == 2
    assert svg.count(f'fill="{ATTACKED}"') == 2
    assert "image-rendering:pixelated" in svg
    assert base64.b64encode(png).decode() in svg


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
    assert [difference_words(gain) for gain in (1.0, 1.003, 31.75)] == [
        "Difference; grey = unchanged",
        "Difference; grey = unchanged",
        "Difference; grey = unchanged, enlarged 31.8 times",
    ]


def test_rows_are_safe_and_their_bars_stay_inside() -> None:
    text = rows_markup([Row("<i>", (Bar(1.7, "#000000"), Bar(-1, "#000000")), "a & b")], label='"')
    assert "&lt;i&gt;" in text
    assert "a &amp; b" in text
    assert 'aria-label="&quot;"' in text
    assert "width:100.00%" in text
    assert "width:0.00%" in text


def test_tiles_and_hatched_pictures() -> None:
    png = encode_png(np.zeros((8, 8, 3), np.uint8))
    pair = ImageTile(png, (8, 8), ((1, 2),), ("cat → dog", "samples:<1>"), after=png)
    text = image_tiles([pair] * 2)
    assert text.count("<figure") == 2
    assert text.count("<img") == 4
    assert "cat → dog, samples:&lt;1&gt;, before" in text
    assert "samples:&lt;1&gt;" in text
    source = re.search(
        r"svg\+xml;base64,([\w+/=]+)", pixel_image(png, (8, 8), label="", hatched=True)
    )
    assert source is not None
    assert b"<pattern" in base64.b64decode(source[1])


def test_tiles_say_what_they_show_and_escape_it() -> None:
    png = encode_png(np.zeros((4, 4, 3), np.uint8))
    found = image_tiles([ImageTile(png, (4, 4), ((1, 2),), ("cat → dog", "p 0.010", "<a>"))] * 2)
    assert found.count("<figure") == 2
    assert "<a>" not in found
    assert "cat → dog" in found
