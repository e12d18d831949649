"""One name for one thing: what the glossary replaces stands in no text that people read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.string_literals import strings_in

ROOT = Path(__file__).resolve().parents[1]
# What is not said, and what is said instead; `/` and the like are no words of a sentence.
SAID = {
    r"\btrays?\b": "instances",
    r"\b(un|not )?fooled\b": "broken",
    r"\bhacked\b|\badversarial (image|example)s?\b|\bmanipulated\b": "attacked image",
    r"\bmistakes?\b": "natural error, or error of the network",
    r"\bfalse[- ]positives?\b": "false alarms",
    r"\bdetected\b": "caught (attacks), flagged (an image)",
    r"\bevades?\b": "unnoticed",
    r"\bconv (neuron|layer|unit)s?\b": "convolution neuron, convolution layer",
    r"\bhold-?out\b": "held-out",
    r"\bthe lab\b|\bin lab\b": "Attack Lab",
    r"(?<!Activation )\bExplorer\b": "Activation Explorer",
    r"\bfeature maps?\b|\bfilters? of\b": "map of a neuron",
    r"\b1 times\b|\b1 (image|neuron|layer|pixel)s\b": "the singular",
}
# A noun that takes an s by hand: `counted` does it.
BY_HAND = re.compile(
    r"""\{\s*['"]s['"] if |['"]s['"] \* \(|['"]['"] if [^{}]* == 1 else ['"]s['"]"""
    r"""|(['"])(?:1 )?(\w{3,}?)y?(?: \w+)?\1 if [^\n]{1,30} == 1 else """
    r"""f?['"](?:\{[^{}]*\} )?\2(?:s|es|ies)\b"""
)
PAGES = [ROOT / "Home.py", *sorted((ROOT / "pages").rglob("*.py"))]
CORE = [
    path
    for folder in ("analysis", "attacks", "cli", "data", "detectors", "figures", "study")
    for path in sorted((ROOT / "ndcore" / folder).rglob("*.py"))
]


def told(text: str) -> list[str]:
    """Strings of a module that hold a sentence or a phrase; remarks and names are none."""
    return [each for each in strings_in(text) if " " in each.strip()]


def wrong(texts: list[str]) -> list[str]:
    return [
        f"“{text.strip()}”: say {instead}"
        for text in texts
        for pattern, instead in SAID.items()
        if re.search(pattern, text)
    ]


@pytest.mark.parametrize("path", [*PAGES, *CORE], ids=lambda path: str(path.relative_to(ROOT)))
def test_one_name_for_one_thing(path: Path) -> None:
    source = path.read_text()
    assert not wrong(told(source))
    assert not BY_HAND.search(source), "plurals are made by `counted`"


def test_the_readme_says_the_same() -> None:
    text = (ROOT / "README.md").read_text()
    prose = re.sub(
        r"```.*?```|`[^`]*`|\*[^*\n]+\*", "", text[: text.index("## Papers")], flags=re.S
    )
    assert not wrong(prose.splitlines())


def test_a_banned_word_is_found() -> None:
    assert wrong(told('"""Not fooled by remarks."""\nx = f"{n} images fooled"\ny = "tray"'))
    assert not wrong(told('x = "tray"\ny = "kept in the Activation Explorer"'))
    for made in (
        "f\"{n} image{'s' if n > 1 else ''}\"",
        "'1 query' if row['n'] == 1 else f\"{row['n']:,} queries\"",
        'noun = "image" if rate.n == 1 else "images"',
        'images = "image is" if count == 1 else "images are"',
    ):
        assert BY_HAND.search(made), made
    assert not BY_HAND.search("'Case file' if n == 1 else f'{n} images'")
