"""Numbers of things in words: pages and commands say them alike."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str = "") -> str:
    """`1 image`, `2,000 images`; `plural` where it is not the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"
