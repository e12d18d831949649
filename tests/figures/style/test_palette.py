"""Colours are told apart by all readers, on both themes, and mean the same everywhere.

Distances are CIE 1976 delta E, at least 10 between any two colours that stand side by side: about
4 just noticeable differences (2.3; Mahy, Van Eycken & Oosterlinck 1994). Dots reach the contrast
of 3 : 1 that WCAG 2.2 asks of graphical objects (success criterion 1.4.11).
"""

from __future__ import annotations

import itertools
import tomllib
from pathlib import Path

import pytest

from ndcore.figures.style.palette import ATTACKED, BENIGN, class_colours, rgba
from tests.colour_vision import VISION, contrast, distance, lab

ROOT = Path(__file__).resolve().parents[3]
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
PAGES = {theme: THEME[theme]["backgroundColor"] for theme in ("light", "dark")}
FLOOR = 10.0
DOT_CONTRAST = 3.0


def test_the_yardsticks_themselves() -> None:
    assert distance("#ffffff", "#000000", "full") == pytest.approx(100, abs=1e-3)
    assert lab("#808080", "deuteranopia") == pytest.approx(lab("#808080", "full"), abs=0.01)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    # Red and green of one lightness: far apart for most readers, near for some.
    red, green = "#c04040", "#707000"
    assert distance(red, green, "full") > 3 * distance(red, green, "deuteranopia")


@pytest.mark.spec("ND-5")
@pytest.mark.parametrize("vision", VISION)
def test_class_colours_are_told_apart(vision: str) -> None:
    colours = class_colours(10)
    assert len(set(colours)) == 10
    for first, second in itertools.combinations(colours, 2):
        assert distance(first, second, vision) >= FLOOR, (first, second)


@pytest.mark.spec("ND-5")
@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("dot", [ATTACKED, *BENIGN.values()])
def test_dots_are_told_from_every_class_and_from_each_other(dot: str, vision: str) -> None:
    for other in {*class_colours(10), ATTACKED} - {dot}:
        assert distance(dot, other, vision) >= FLOOR, (dot, other)


@pytest.mark.spec("UX-4")
@pytest.mark.parametrize("theme", PAGES)
def test_dots_stand_out_on_the_page(theme: str) -> None:
    assert contrast(ATTACKED, PAGES[theme]) >= DOT_CONTRAST
    assert contrast(BENIGN[theme], PAGES[theme]) > 12


@pytest.mark.spec("UX-4")
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


@pytest.mark.spec("ND-5")
def test_streamlits_own_charts_use_the_same_colours() -> None:
    assert THEME["chartCategoricalColors"] == class_colours(10)


def test_rgba() -> None:
    assert rgba("#0a14ff", 0.5) == "rgba(10, 20, 255, 0.5)"
