"""Small words that several views share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndcore.detectors import Judgement

__all__ = ["colour_words", "percent", "sentence", "verdict_sentence", "with_article"]


def colour_words(colour: tuple[int, ...]) -> str:
    """`RGB (255, 0, 0)` or `grey 128`."""
    if len(colour) == 1:
        return f"grey {colour[0]}"
    return f"RGB ({', '.join(str(value) for value in colour)})"


def percent(found: Mapping[str, Any]) -> str:
    """`97.1% (95.0-98.4%)` of a rate with its interval."""
    low, high = found["ci95"]
    return f"{100 * found['rate']:.1f}% ({100 * low:.1f}-{100 * high:.1f}%)"


def sentence(clause: object) -> str:
    """A clause, such as the text of an error, with a capital at the start and a full stop."""
    text = str(clause)
    return f"{text[:1].upper()}{text[1:]}."


def verdict_sentence(label: str, name: str, verdict: Judgement) -> str:
    """A verdict in words, without more confidence than the numbers carry.

    Args:
        label: predicted class.
        name: of the image; `benign` and `attacked` say what is known of it.
        verdict: of any detector.
    """
    if not verdict.guaranteed:
        return (
            f":orange-badge[Undecided] {verdict.calibration_images} benign calibration images "
            f"taken for {label} are too few for a false-positive rate of {100 * verdict.alpha:g}%."
        )
    share = f"{100 * verdict.p_value:.1f}% of benign images taken for {label} score as high."
    if verdict.flagged:
        return f":red-badge[Flagged] Only {share}" + (" A false alarm." if name == "benign" else "")
    missed = " If this is an attack, it is missed." if name != "benign" else ""
    return f":gray-badge[Not flagged] {share}{missed}"


def with_article(name: str) -> str:
    """`a dog`, `an airplane`, `an 8`."""
    vowel = name[:1].lower() in "aeiou" or name in ("8", "11", "18")
    return f"{'an' if vowel else 'a'} {name}"
