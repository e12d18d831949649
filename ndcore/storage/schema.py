"""What a document must look like, said by small checks that are put together.

A check takes a value and its place in the document, such as `layers[3].units`, and refuses what it
does not know by one clause.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from ndcore.errors import UnreadableError

Check = Callable[[Any, str], None]

MOST = 2**53  # above it JSON's numbers are no longer exact
MOST_ITEMS = 20_000_000


def text(most: int = 1000, form: str = r"[\s\S]*") -> Check:
    """Text of at most so many characters and of a form, a regular expression."""

    def check(value: Any, at: str) -> None:
        if not isinstance(value, str) or len(value) > most or not re.fullmatch(form, value):
            _refuse(at, "no such text as belongs there")

    return check


def whole(least: int = 0, most: int = MOST) -> Check:
    """A whole number."""

    def check(value: Any, at: str) -> None:
        if type(value) is not int or not least <= value <= most:
            _refuse(at, f"no whole number from {least} to {most}")

    return check


def number(least: float = -math.inf, most: float = math.inf, finite: bool = True) -> Check:
    """A number; JSON as Python writes it knows infinite ones and NaN too."""

    def check(value: Any, at: str) -> None:
        known = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not known or (finite and not (math.isfinite(value) and least <= value <= most)):
            limits = math.isfinite(least) or math.isfinite(most)
            _refuse(at, f"no number from {least:g} to {most:g}" if limits else "no finite number")

    return check


def switch(value: Any, at: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        _refuse(at, "neither true nor false")


def anything(value: Any, at: str) -> None:
    """Whatever it is, it is only passed on."""


def or_null(check: Check) -> Check:
    """The same, or nothing."""
    return lambda value, at: None if value is None else check(value, at)


def one_of(*values: object) -> Check:
    """One of some values."""

    def check(value: Any, at: str) -> None:
        if not any(type(value) is type(known) and value == known for known in values):
            _refuse(at, f"none of {', '.join(map(str, values))}")

    return check


def many(each: Check, least: int = 0, most: int = MOST_ITEMS) -> Check:
    """A list of equals."""

    def check(value: Any, at: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            _refuse(at, f"no list of {least} to {most} entries")
        for place, item in enumerate(value):
            each(item, f"{at}[{place}]")

    return check


def row(*checks: Check) -> Check:
    """A list with a meaning for each place."""

    def check(value: Any, at: str) -> None:
        if not isinstance(value, list) or len(value) != len(checks):
            _refuse(at, f"no list of {len(checks)} entries")
        for place, (item, each) in enumerate(zip(value, checks, strict=True)):
            each(item, f"{at}[{place}]")

    return check


def table(each: Check, name: Check | None = None, most: int = 1_000_000) -> Check:
    """An object whose names are free, or as `name` says."""

    def check(value: Any, at: str) -> None:
        if not isinstance(value, dict) or len(value) > most:
            _refuse(at, "no object of so few entries")
        for key, item in value.items():
            if name is not None:
                name(key, f"a name in {at}")
            each(item, f"{at}.{key[:40]}")

    return check


def record(needed: Mapping[str, Check], also: Mapping[str, Check] | None = None) -> Check:
    """An object with certain entries and others that may be there; of more nothing is said."""

    def check(value: Any, at: str) -> None:
        if not isinstance(value, dict):
            _refuse(at, "no object")
        for key, each in needed.items():
            if key not in value:
                _refuse(f"{at}.{key}", "missing")
            each(value[key], f"{at}.{key}")
        for key, each in (also or {}).items():
            if key in value:
                each(value[key], f"{at}.{key}")

    return check


def different(check: Check, by: str = "") -> Check:
    """A list, no two entries of which are equal, or equal in the entry `by`."""

    def both(value: Any, at: str) -> None:
        check(value, at)
        found = [item[by] if by else item for item in value]
        if len({*found}) < len(found):
            _refuse(at, "not all different")

    return both


def require(check: Check, document: Any, file: str) -> None:
    """Refuse a document that does not pass.

    Raises:
        UnreadableError: with the file and the place in it.
    """
    check(document, file)


def _refuse(at: str, told: str) -> None:
    raise UnreadableError(f"{at} is {told}")


SHARE = number(0, 1)
SHARES = row(SHARE, SHARE)
HASH = text(64, "[0-9a-f]{64}")
