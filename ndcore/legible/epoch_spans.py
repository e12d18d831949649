"""Epochs in words: pages and commands say them alike."""

from __future__ import annotations

from collections.abc import Sequence


def spans(epochs: Sequence[int]) -> str:
    """Ascending epochs in words: `3, 5-9`."""
    parts: list[list[int]] = []
    for epoch in epochs:
        if parts and epoch == parts[-1][-1] + 1:
            parts[-1][1:] = [epoch]
        else:
            parts.append([epoch])
    return ", ".join("-".join(map(str, part)) for part in parts)
