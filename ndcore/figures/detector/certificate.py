"""A certificate in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndcore.statistics.intervals import Rate

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


def proven_words(found: Found, broken: Found) -> str:
    """What is proven of how many images, in sentences of Markdown.

    Args:
        found: summary of a set of images, as `certified_shares` gives it.
        broken: the same of the set whose breakable images are told of, which may be `found`.
    """
    right, breakable = found["correct"], broken["breakable"]["certified"]
    if not right["certified"]["n"]:
        return ""
    told = (
        f"**Proven**: on **{_rate(right['certified'])}** of {right['certified']['n']:,} images "
        "that the network gets right, whoever changes one pixel, to whatever colour, either leaves "
        "the label as it is or raises the alarm of the rule *flip*: some repair of a single pixel "
        "disagrees"
    )
    if breakable["n"]:
        told += f"; on **{_rate(breakable)}** of {breakable['n']:,} that one pixel is known to flip"
    told += f". False alarms: {_rate(right['alarms'])} on images it gets right"
    if found["wrong"]["alarms"]["n"]:
        told += f", {_rate(found['wrong']['alarms'])} on {found['wrong']['alarms']['n']:,} others"
    sound = {"rate": found["certified_accuracy"], "n": found["certified_accuracy_n"]}
    return (
        f"{told}. Right and proven: **{_rate(sound)}** of {sound['n']:,}, at "
        f"{100 * found['accuracy']:.1f}% right."
    )


def _rate(found: Found) -> str:
    return Rate.of(found).text


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
