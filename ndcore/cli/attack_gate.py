"""Whether few enough images broke, for who builds a network again and again."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping
from typing import Any

from ndcore.errors import BadRequestError
from ndcore.statistics.intervals import Rate


def share(text: str) -> float:
    """`25%` or `0.25`, of the command line.

    Raises:
        ArgumentTypeError: no such share.
    """
    try:
        found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 1:
        raise ArgumentTypeError(f"a share is written 25% or 0.25, not '{text}'")
    return found


def within(summary: Mapping[str, Any], limit: float) -> tuple[str, bool]:
    """In words and as an answer: whether at most the share `limit` of the images broke.

    Raises:
        BadRequestError: none was attacked, so there is no share.
    """
    rate = Rate(summary["succeeded"], summary["attacked"])
    if not rate.n:
        raise BadRequestError("no image was correctly classified, so no share can be held to")
    held = rate.share <= limit
    told = f"{rate.text} broke, n = {rate.n:,}: {'within' if held else 'above'} {100 * limit:g}%"
    return told, held
