"""What every benchmark hands back: rows of a value, its unit and what it is a ratio of."""

from __future__ import annotations

import platform
from typing import Any

import torch

Row = dict[str, Any]


def row(what: str, value: float, unit: str, against: str = "", ratio: float | None = None) -> Row:
    """A measured value and, where it has a yardstick, its ratio to that."""
    return {"what": what, "value": value, "unit": unit, "against": against, "ratio": ratio}


def limited(what: str, value: float, unit: str, limit: float) -> Row:
    """A row against the most it may be."""
    return row(what, value, unit, f"the limit of {limit:,g} {unit}".strip(), value / limit)


def machine() -> str:
    """The processor, the threads and the torch that a figure hangs on."""
    return f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
