"""Words: text from a link, a file or an error is shown as it is, never as markup."""

from __future__ import annotations

import re

import pytest

from pages.ui.frame.words import colour_words, plain, sentence, with_article

HOSTILE = [
    "[log in](http://x.y)",
    "![p](http://x.y/p.png)",
    "<b>x</b>",
    "http://x.y",
    "www.x.y",
    "a@b.c",
    ":red[x]",
    ":material/bolt:",
    "*x* _y_ ~~z~~ $x$",
    "``[x](http://y)` `",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_marks_are_escaped(text: str) -> None:
    for shown in (plain(text), sentence(f"no image '{text}'")):
        bare = shown.replace("\\", "").replace("\u2060", "")
        assert text.replace("\\", "") in bare
        for mark in ("](", "<b", "://", "www.", "a@b", ":red[", ":material/bolt:", " *x", "$x"):
            assert mark not in re.sub(r"\\.", "", shown)


def test_long_text_is_cut_and_lines_are_joined() -> None:
    assert plain("a\nb") == "a b"
    assert plain("x" * 99) == "x" * 40 + "…"


def test_an_error_is_a_sentence_and_its_command_stays_one() -> None:
    assert sentence("it is not here; get it with `python -m ndcore data fetch cifar10`") == (
        "It is not here; get it with `python -m ndcore data fetch cifar10`."
    )
    assert sentence("samples:3 has 32x32 pixels (dense_1)") == (
        "Samples:3 has 32x32 pixels (dense_1)."
    )


def test_articles_and_colours_in_words() -> None:
    assert with_article("airplane") == "an airplane"
    assert with_article("8") == "an 8"
    assert with_article("dog") == "a dog"
    assert colour_words((3,)) == "grey 3"
    assert colour_words((1, 2, 3)) == "RGB (1, 2, 3)"
