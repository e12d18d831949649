"""What `record.json` must say, looked at before anybody relies on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndcore.errors import UnreadableError
from ndcore.evolution.store import RECORD
from ndcore.storage.schema import (
    different,
    many,
    number,
    or_null,
    record,
    require,
    row,
    switch,
    text,
    whole,
)

CURVES = tuple(
    f"{part}_{name}"
    for part in ("train", "validation")
    for name in ("loss", "top1_error", "top5_error")
)
_FAR = 1_000_000  # pixels
_SIDE = whole(1, 8192)
_LAYER = record(
    {
        "name": text(),
        "number": whole(1, 10_000),
        "kind": text(),
        "units": whole(1, 10_000_000),
        "size": row(_SIDE, _SIDE),
        "field": or_null(row(whole(-_FAR, _FAR), whole(1, _FAR), whole(1, _FAR))),
        "follows": text(),
    }
)
_ABOUT = record(
    {
        "model": text(4096),
        "data": text(4096),
        "classes": different(many(text(), 1, 100_000)),
        "shape": row(_SIDE, _SIDE, whole(1, 4)),
        "config": record(
            {"epochs": whole()},
            {"rates": many(row(number(), number(), number())), "seed": or_null(whole())},
        ),
        **dict.fromkeys(("reference", "validation", "pool"), whole()),
        **dict.fromkeys(("sample_per_class", "blocks"), whole(1)),
        "curves": different(many(text(), 1, 100)),
        "layers": different(many(_LAYER, 1, 10_000), "name"),
    },
    {
        "root": text(4096),
        "intake": record(
            {}, {"crop": or_null(number(0, 1)), "parts": or_null(switch), "without": many(text())}
        ),
        "form": record({}, {"output": text()}),
    },
)


def require_known(about: Mapping[str, Any]) -> None:
    """Refuse a record that is none.

    Raises:
        UnreadableError: an entry is missing or something else; the sentence says which.
    """
    require(_ABOUT, about, RECORD)
    if missing := [name for name in CURVES if name not in about["curves"]]:
        raise UnreadableError(f"{RECORD}.curves lacks '{missing[0]}'")
    before: list[str] = [""]
    for at, layer in enumerate(about["layers"]):
        if layer["number"] != at + 1 or layer["follows"] not in before:
            raise UnreadableError(f"{RECORD}.layers[{at}] has no place among the others")
        before.append(layer["name"])
