"""Small words that several views share."""

from __future__ import annotations

import re
import shlex

from ndcore.detectors import Verdict


def colour_words(colour: tuple[int, ...]) -> str:
    """`RGB (255, 0, 0)` or `grey 128`."""
    if len(colour) == 1:
        return f"grey {colour[0]}"
    return f"RGB ({', '.join(str(value) for value in colour)})"


def plain(text: str, most: int = 40) -> str:
    """Text from outside, cut to `most` characters, that Markdown shows as it is.

    Marks are escaped; a word joiner parts what would become a link, an address or an icon.
    """
    return _escaped(shortened(text, most))


def shortened(text: str, most: int) -> str:
    """Text on one line, cut to `most` characters."""
    return " ".join((text if len(text) <= most else f"{text[:most]}…").split())


def _escaped(text: str) -> str:
    marked = re.sub(r"([\\`*\[\]<>$~&#|]|(?<!\w)_|_(?!\w))", r"\\\1", text)
    return re.sub(r"(:(?=//|[\w/+-]+:|\w+\\?\[)|(?<=\w)@(?=\w)|www(?=\.))", "\\1\u2060", marked)


def command(*words: str) -> str:
    """`python -m ndcore ...` as Markdown's code, to be pasted: every word as a shell takes it."""
    text = shlex.join(["python", "-m", "ndcore", *words])
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}" if fence == "`" else f"{fence} {text} {fence}"


def sentence(clause: object) -> str:
    """A clause, such as the text of an error, with a capital at the start and a full stop.

    Commands in backticks stay commands; nothing else in it is Markdown, because errors quote links
    and file names.
    """
    text = str(clause)
    parts = text.split("`")
    commands = len(parts) % 2 == 1 and "``" not in text
    told = [part if commands and i % 2 else _escaped(part) for i, part in enumerate(parts)]
    joined = ("`" if commands else "\\`").join(told)
    return f"{capital(joined)}."


def verdict_sentence(label: str, name: str, verdict: Verdict) -> str:
    """A verdict in words, without more confidence than the numbers carry.

    Args:
        label: predicted class.
        name: of the image; `benign` and `attacked` say what is known of it.
        verdict: of any detector.
    """
    if not verdict.guaranteed:
        return (
            f":orange-badge[Undecided] {verdict.calibration_images} benign calibration images "
            f"taken for {label} are too few for {100 * verdict.alpha:g}% of false alarms."
        )
    share = f"{100 * verdict.p_value:.1f}% of benign images taken for {label} score as high."
    if verdict.flagged:
        false = " A false alarm." if name == "benign" else ""
        return f":red-badge[Flagged] At most {share}{false}"
    missed = " If this is an attack, it is missed." if name != "benign" else ""
    return f":gray-badge[Not flagged] {share}{missed}"


def noticed_sentence(title: str, benign: Verdict, attacked: Verdict) -> str:
    """Could the attack have been noticed? The answer for a pair, before the numbers.

    Args:
        title: the words that a detector goes by.
        benign, attacked: its verdicts.
    """
    if not attacked.guaranteed:
        return "**Undecided: too few benign images to say it at this rate of false alarms.**"
    if not attacked.flagged:
        return "**No: this detector does not notice the attack.** Others may; see the table."
    if benign.flagged:
        return "**Not for sure: the attacked image is flagged, but so is the benign one.**"
    told = f"“{title}” flags the attacked image and not the benign one."
    return f"**Yes: the attack is noticed.** {told}"


def capital(text: str) -> str:
    """The text with a capital at its start."""
    return f"{text[:1].upper()}{text[1:]}"


def with_article(name: str) -> str:
    """`a dog`, `an airplane`, `an 8`."""
    vowel = name[:1].lower() in "aeiou" or name in ("8", "11", "18")
    return f"{'an' if vowel else 'a'} {name}"
