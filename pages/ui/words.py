"""Small words that several views share."""

from __future__ import annotations

__all__ = ["colour_words", "with_article"]


def colour_words(colour: tuple[int, ...]) -> str:
    """`RGB (255, 0, 0)` or `grey 128`."""
    if len(colour) == 1:
        return f"grey {colour[0]}"
    return f"RGB ({', '.join(str(value) for value in colour)})"


def with_article(name: str) -> str:
    """`a dog`, `an airplane`, `an 8`."""
    vowel = name[:1].lower() in "aeiou" or name in ("8", "11", "18")
    return f"{'an' if vowel else 'a'} {name}"
