"""Colours, tips and legends of the vulnerability map."""

from __future__ import annotations

import numpy as np

from ndcore.figures.lab.grid_map import (
    class_legend,
    flip_colours,
    lowest_colours,
    map_tips,
    ramp_legend,
)
from ndcore.figures.style.palette import class_colours

CLASSES = ("cat", "dog", "frog <b>")
LOWEST = np.array([[0.9, 0.45, np.nan], [0.0, 0.2, 0.95]], np.float32)
FLIPS = np.array([[-1, 2, -1], [1, 1, -1]])


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
