"""A short form of suites with many kinds: `ND_SHORT=1` tries some of each."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")

SHORT = os.environ.get("ND_SHORT") == "1"


def some(kinds: Iterable[T], every: int = 8) -> list[T]:
    """All kinds, or one in so many."""
    return list(kinds)[:: every if SHORT else 1]
