"""Layers of two networks as rows: the same layer stands in the same row of both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

LAST = "\0last"
# `relu1` and `sig1` both follow `conv1`.
RISING = re.compile("^(relu|sig|tanh)")


@dataclass(frozen=True)
class Row:
    """A row of an overview.

    Attributes:
        name: of the layer, or `relu1 / sig1` where the networks differ.
        first, second: place of the layer in each network, None where it has no such layer.
    """

    name: str
    first: int | None
    second: int | None = None


def aligned_rows(first: Sequence[str], second: Sequence[str] = ()) -> list[Row]:
    """Rows in the order of the forward pass.

    Layers line up by name. `relu1` and `sig1` are one row too, and so are the last layers, whose
    units are the classes, whatever their names.

    Args:
        first, second: names of the layers; without `second` each layer has a row of its own.
    """
    if not second:
        return [Row(name, index) for index, name in enumerate(first)]
    tokens = [
        [*(RISING.sub("act", name) for name in names[:-1]), LAST] for names in (first, second)
    ]
    rows = []
    matcher = SequenceMatcher(None, tokens[0], tokens[1], False)
    for kind, start, end, begin, stop in matcher.get_opcodes():
        if kind == "equal":
            for i, j in zip(range(start, end), range(begin, stop), strict=True):
                same = first[i] == second[j]
                rows.append(Row(first[i] if same else f"{first[i]} / {second[j]}", i, j))
            continue
        rows += [Row(first[i], i, None) for i in range(start, end)]
        rows += [Row(second[j], None, j) for j in range(begin, stop)]
    return rows
