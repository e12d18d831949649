"""Colours are told apart by all readers, on both themes, and mean the same everywhere.

Distances are CIE 1976 delta E, at least 10 between any two colours that stand side by side: about
4 just noticeable differences (2.3; Mahy, Van Eycken & Oosterlinck 1994). Dots reach the contrast
of 3 : 1 that WCAG 2.2 asks of graphical objects (success criterion 1.4.11).
"""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from ndcore.figures.palette import ATTACKED, BENIGN, class_colours, rgba

ROOT = Path(__file__).resolve().parent.parent
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
PAGES = {theme: THEME[theme]["backgroundColor"] for theme in ("light", "dark")}
FLOOR = 10.0
DOT_CONTRAST = 3.0

# Linear RGB as seen without the green and without the red cones: Machado, Oliveira & Fernandes
# 2009, "A physiologically-based model for simulation of color vision deficiency", severity 1.
VISION = {
    "full": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}
# sRGB to XYZ, white point D65 (IEC 61966-2-1).
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
WHITE = XYZ.sum(1)


def linear(colour: str) -> NDArray[np.float64]:
    value = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(colour: str, vision: str) -> NDArray[np.float64]:
    seen = np.clip(VISION[vision] @ linear(colour), 0, 1)
    xyz = XYZ @ seen / WHITE
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distance(first: str, second: str, vision: str) -> float:
    return float(np.linalg.norm(lab(first, vision) - lab(second, vision)))


def contrast(first: str, second: str) -> float:
    low, high = sorted(float(XYZ[1] @ linear(colour)) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


def test_the_yardsticks_themselves() -> None:
    assert distance("#ffffff", "#000000", "full") == pytest.approx(100, abs=1e-3)
    assert lab("#808080", "deuteranopia") == pytest.approx(lab("#808080", "full"), abs=0.01)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    # Red and green of one lightness: far apart for most readers, near for some.
    red, green = "#c04040", "#707000"
    assert distance(red, green, "full") > 3 * distance(red, green, "deuteranopia")


@pytest.mark.parametrize("vision", VISION)
def test_class_colours_are_told_apart(vision: str) -> None:
    colours = class_colours(10)
    assert len(set(colours)) == 10
    for first, second in itertools.combinations(colours, 2):
        assert distance(first, second, vision) >= FLOOR, (first, second)


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("dot", [ATTACKED, *BENIGN.values()])
def test_dots_are_told_from_every_class_and_from_each_other(dot: str, vision: str) -> None:
    for other in {*class_colours(10), ATTACKED} - {dot}:
        assert distance(dot, other, vision) >= FLOOR, (dot, other)


@pytest.mark.parametrize("theme", PAGES)
def test_dots_stand_out_on_the_page(theme: str) -> None:
    assert contrast(ATTACKED, PAGES[theme]) >= DOT_CONTRAST
    assert contrast(BENIGN[theme], PAGES[theme]) > 12


@pytest.mark.parametrize("theme", PAGES)
def test_bars_show_on_the_page(theme: str) -> None:
    """Less than dots need: a bar is wide, and its opacity is what is read."""
    assert all(contrast(colour, PAGES[theme]) > 1.6 for colour in class_colours(10))


def test_the_papers_colours_are_cats_and_dogs() -> None:
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog"]
    colours = dict(zip(names, class_colours(6), strict=True))
    assert colours["cat"] == "#f08c1a"
    assert colours["dog"] == "#8e56d9"


def test_an_eleventh_class_repeats_the_first_colour() -> None:
    assert class_colours(12)[10] == class_colours(10)[0]


def test_streamlits_own_charts_use_the_same_colours() -> None:
    assert THEME["chartCategoricalColors"] == class_colours(10)


def test_rgba() -> None:
    assert rgba("#0a14ff", 0.5) == "rgba(10, 20, 255, 0.5)"
