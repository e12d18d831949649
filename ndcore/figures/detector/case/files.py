"""A case file as bytes: JSON, or one HTML page drawn from the document alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ndcore.errors import BadRequestError
from ndcore.storage.atomic import write_bytes

KINDS = {".html": "html", ".json": "json"}


def case_kind(path: str | Path) -> str:
    """`html` or `json`, by the ending of a file name.

    Raises:
        BadRequestError: another ending.
    """
    ending = Path(path).suffix.lower()
    if ending not in KINDS:
        raise BadRequestError(f"a case file ends in .html or .json, got '{path}'")
    return KINDS[ending]


def case_bytes(document: Mapping[str, Any], kind: str) -> bytes:
    """The case file, kind `html` or `json`."""
    if kind == "json":
        return (json.dumps(document, indent=1) + "\n").encode()
    # Not at the top: the colours come with plotly, and few commands draw.
    from ndcore.figures.detector.case.page import case_page

    return case_page(document).encode()


def write_case(path: str | Path, document: Mapping[str, Any]) -> None:
    """Write a case file, atomically, HTML or JSON by the ending of its name.

    Raises:
        BadRequestError: another ending, or the file cannot be written.
    """
    data = case_bytes(document, case_kind(path))
    try:
        write_bytes(Path(path), data)
    except OSError as error:
        raise BadRequestError(f"cannot write {path}: {error.strerror}") from error
