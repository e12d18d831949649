"""A certificate in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LISTED = 8  # holes that are named
Found = Mapping[str, Any]


def certificate_words(found: Found) -> str:
    """What is proven of one image, or why nothing is and what the image can have been.

    Args:
        found: as `ndcore.certificate.Certificate.to_dict` gives it.
    """
    if found["certified"]:
        return (
            "Proven: whatever one pixel of this image is changed to, either the image stays "
            f"{found['predicted']} or the repair of that pixel gives the change away (rule flip; "
            f"every repair leads by at least {found['margin']:.3g})."
        )
    told = f"Not proven: {found['why']}{_named(found)}."
    if found["holes"]:
        told += " The rule flip raises its alarm."
    if found["labels"] and len(found["labels"]) > 1:
        told += (
            " If one pixel of it was changed and the image before was certified, that was "
            f"{' or '.join(found['labels'])}."
        )
    return told


def _named(found: Found) -> str:
    holes = found["holes"]
    if not holes:
        return ""
    named = [
        f"row {hole['row']}, column {hole['col']}: {hole['label'] or 'any class'}"
        for hole in holes[:LISTED]
    ]
    more = f" and {len(holes) - LISTED:,} more" if len(holes) > LISTED else ""
    return f" ({'; '.join(named)}{more})"
