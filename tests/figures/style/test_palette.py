"""Colours are told apart by all readers, on both themes, and mean the same everywhere.

Distances are CIE 1976 delta E, at least 10 between any two colours that meet in one picture: about
4 just noticeable differences (2.3; Mahy, Van Eycken & Oosterlinck 1994). Marks reach the contrast
of 3 : 1 that WCAG 2.2 asks of graphical objects (success criterion 1.4.11), words the 4.5 : 1 of
text (1.4.3).
"""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

from ndcore.figures.style import palette
from ndcore.figures.style.palette import (
    ACCENT,
    APART,
    ATTACKED,
    BENIGN,
    CORNERS,
    FALL,
    LOWERS,
    MUTED,
    PAGES,
    RAISES,
    RISE,
    RUNS,
    TRAINING,
    VALIDATION,
    class_colours,
    cluster_colours,
    instance_colours,
    method_colours,
    rgba,
)
from ndcore.figures.style.ramp import opacity_scale, ramp, ramp_scale
from tests.colour_vision import VISION, contrast, distance, lab
from tests.string_literals import strings_in

ROOT = Path(__file__).resolve().parents[3]
THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
FLOOR = 10.0
DIFFERENT = 3.0  # between colours of two meanings that never meet
MARK_CONTRAST, WORD_CONTRAST = 3.0, 4.5
# Meaning -> its colours in a theme.
MEANINGS = {
    theme: {
        "benign": [BENIGN[theme]],
        "attacked": [ATTACKED],
        "classes": class_colours(10),
        "instances": instance_colours(7, theme),
        "clusters": cluster_colours(10),
        "methods": method_colours(8),
        "training": [TRAINING],
        "validation": [VALIDATION],
        "runs": list(RUNS),
        "rise": [RISE],
        "fall": [FALL],
        "raises": [RAISES],
        "lowers": [LOWERS],
        "exceptional": [APART],
        "accent": [ACCENT],
        "muted": [MUTED],
    }
    for theme in PAGES
}
# What is drawn into one picture.
TOGETHER = {
    "neurons": ("classes", "benign", "attacked"),
    "dots of neurons": ("instances", "benign", "attacked"),
    "class bars": ("classes", "attacked"),
    "depth, verdicts and p-values": ("benign", "attacked", "accent", "muted"),
    "compared methods": ("methods", "accent", "muted"),
    "groups on a plane": ("clusters", "benign"),
    "a training and what one pixel does": (
        "training",
        "validation",
        "attacked",
        "first method",
        "runs",
        "muted",
    ),
    "levels of neurons": ("exceptional", "benign", "muted"),
    "what changed": ("rise", "fall", "muted"),
    "a concept graph": (
        "raises",
        "lowers",
        "benign",
        "attacked",
        "muted",
        "groups of units",
    ),
    "clamped neurons": ("accent", "muted"),
}
AREAS = ("classes",)  # wide bars and cells, told by their width and opacity


def met(picture: str, theme: str) -> list[str]:
    known = MEANINGS[theme] | {"first method": method_colours(1)}
    known |= {"groups of units": cluster_colours(8)}
    return [colour for meaning in TOGETHER[picture] for colour in known[meaning]]


def test_the_yardsticks_themselves() -> None:
    assert distance("#ffffff", "#000000", "full") == pytest.approx(100, abs=1e-3)
    assert lab("#808080", "deuteranopia") == pytest.approx(lab("#808080", "full"), abs=0.01)
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    # Red and green of one lightness: far apart for most readers, near for some.
    red, green = "#c04040", "#707000"
    assert distance(red, green, "full") > 3 * distance(red, green, "deuteranopia")


@pytest.mark.spec("ND-5")
@pytest.mark.parametrize("theme", PAGES)
@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize("picture", TOGETHER)
def test_colours_that_meet_are_told_apart(picture: str, vision: str, theme: str) -> None:
    colours = met(picture, theme)
    assert len(set(colours)) == len(colours)
    for first, second in itertools.combinations(colours, 2):
        assert distance(first, second, vision) >= FLOOR, (first, second)


@pytest.mark.spec("ND-5")
@pytest.mark.parametrize("theme", PAGES)
def test_a_colour_has_one_meaning(theme: str) -> None:
    named = [(meaning, c) for meaning, colours in MEANINGS[theme].items() for c in colours]
    for (one, first), (other, second) in itertools.combinations(named, 2):
        assert distance(first, second, "full") >= DIFFERENT, (one, first, other, second)


@pytest.mark.spec("UX-4")
@pytest.mark.parametrize("theme", PAGES)
def test_marks_stand_out_from_the_page(theme: str) -> None:
    for meaning, colours in MEANINGS[theme].items():
        if meaning not in AREAS:
            for colour in colours:
                assert contrast(colour, PAGES[theme]["page"]) >= MARK_CONTRAST, (meaning, colour)
    assert contrast(ACCENT, PAGES[theme]["soft"]) >= MARK_CONTRAST  # the focus, in the sidebar
    assert all(contrast(colour, PAGES[theme]["page"]) > 1.6 for colour in class_colours(10))


@pytest.mark.spec("UX-4")
@pytest.mark.parametrize("theme", PAGES)
@pytest.mark.parametrize("word", ["ink", "faint"])
@pytest.mark.parametrize("ground", ["page", "soft"])
def test_words_are_legible(theme: str, word: str, ground: str) -> None:
    assert contrast(PAGES[theme][word], PAGES[theme][ground]) >= WORD_CONTRAST


def test_the_papers_colours_are_cats_and_dogs() -> None:
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog"]
    colours = dict(zip(names, class_colours(6), strict=True))
    assert colours["cat"] == "#f08c1a"
    assert colours["dog"] == "#8e56d9"


def test_an_eleventh_class_repeats_the_first_colour() -> None:
    assert class_colours(12)[10] == class_colours(10)[0]


@pytest.mark.spec("ND-5")
def test_streamlit_has_the_same_colours() -> None:
    assert THEME["chartCategoricalColors"] == class_colours(10)
    for theme, colours in PAGES.items():
        its = THEME[theme]
        assert its["backgroundColor"] == colours["page"]
        assert its["secondaryBackgroundColor"] == colours["soft"]
        assert its["textColor"] == colours["ink"]
        assert its["borderColor"] == colours["line"]
        assert its["redColor"] == ATTACKED
        for link in ("primaryColor", "linkColor"):
            assert contrast(its[link], colours["page"]) >= WORD_CONTRAST


def test_rgba() -> None:
    assert rgba("#0a14ff", 0.5) == "rgba(10, 20, 255, 0.5)"


def test_values_run_from_dark_to_bright_and_amounts_from_clear_to_opaque() -> None:
    light = [lab("#" + bytes(c.tolist()).hex(), "full")[0] for c in ramp(np.linspace(0, 1, 30))]
    assert (np.diff(light) > 0).all()
    scale = ramp_scale()
    assert [scale[0], scale[-1]] == [(0, "rgb(0, 34, 78)"), (1, "rgb(254, 232, 56)")]
    shorter = ramp_scale(0.5)
    assert shorter[0][1] == "rgb({}, {}, {})".format(*ramp(np.array(0.5)))
    assert shorter[-1] == scale[-1]
    assert opacity_scale("#0a14ff", [(0, 0), (1, 0.9)]) == [
        (0, "rgba(10, 20, 255, 0)"),
        (1, "rgba(10, 20, 255, 0.9)"),
    ]


# ---- No other file names a colour.

TABLE = ROOT / "ndcore" / "figures" / "style" / "palette.py"
PLACES = ("ndcore/figures", "ndcore/cli", "ndcore/analysis", "ndcore/study", "pages", "benchmarks")
SOURCES = sorted(
    path
    for place in PLACES
    for path in (ROOT / place).rglob("*")
    if path.suffix in (".py", ".js", ".css", ".html") and path != TABLE
)
NAMES = "red green blue black white grey gray orange yellow purple pink brown teal navy crimson"
NAMED = "|".join(
    [
        # A name as a whole string, or as the value of a property.
        rf"""^(?:{NAMES.replace(" ", "|")})$""",
        rf"""(?:color|fill|stroke|background|border|outline)[\w-]*["']?\s*[:=]\s*["']?"""
        rf"""(?:[\w.%]+\s+)*(?:{NAMES.replace(" ", "|")})\b""",
    ]
)
LITERAL = re.compile(
    rf"(?<![&\w])#(?:[0-9a-f]{{8}}|[0-9a-f]{{6}}|[0-9a-f]{{3,4}})(?![\w-])"
    rf"|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch)\(\s*[\d.]|{NAMED}",
    re.IGNORECASE,
)


def literals(name: str, text: str) -> list[str]:
    """Colours that a file names in its code; remarks may."""
    if not name.endswith(".py"):
        code = re.sub(r"/\*.*?\*/|(?<!:)//[^\n]*|<!--.*?-->", "", text, flags=re.DOTALL)
        strings = [code, *re.findall(r"""["']([^"'\n]*)["']""", code)]
    else:
        strings = strings_in(text)
    return [found[0] for string in strings for found in LITERAL.finditer(string)]


@pytest.mark.parametrize(
    "path", [*SOURCES, ROOT / "Home.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_no_other_file_names_a_colour(path: Path) -> None:
    assert not literals(path.name, path.read_text())


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("a.py", 'line = {"color": "#FFF"}', ["#FFF"]),
        ("a.py", 'line = {"color": "red"}', ["red"]),
        ("a.py", 'style = f"background:white;x:{y}"', ["background:white"]),
        ("a.py", '"""A red line, #fff."""\nx = f"rgba({r}, {g}, 0, 1)"', []),
        ("a.py", 'x = "rgba(0,0,0,0)"', ["rgba(0"]),
        ("a.py", 'x = "&#8226; see #12 and #main-menu"', []),
        ("a.css", ".a { border: 1px solid black; } /* red, #fff */", ["border: 1px solid black"]),
        ("a.css", ".a { color: var(--st-red); background: #0f141d; }", ["#0f141d"]),
        ("a.js", 'c.fillStyle = "#000"; // #111\nconst red = 1;', ["#000", "#000"]),
    ],
)
def test_a_named_colour_is_found(name: str, text: str, found: list[str]) -> None:
    assert literals(name, text) == found


def test_corners_are_the_colours_of_the_cube() -> None:
    assert {tuple(palette.channels(colour)) for colour in CORNERS} == set(
        itertools.product((0, 255), repeat=3)
    )
