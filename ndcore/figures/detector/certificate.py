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
            f"every repair leads by at least {found['margin']:.3g}). Nothing is said of whether "
            f"{found['predicted']} is right, or of two pixels."
        )
    told = f"Not proven: {found['why']}{_named(found)}."
    if found["holes"]:
        told += " The rule flip raises its alarm."
    if found["labels"] and len(found["labels"]) > 1:
        told += (
            " If one pixel of it was changed, and the image before was certified, the network "
            f"took that one for {' or '.join(found['labels'])}."
        )
    return told


def two_pixels_words(found: Found, label: str) -> str:
    """What is proven of one image against changes of two pixels, and the recovered label.

    Args:
        found: `PairCertificate.to_dict` with `recovered`, of `Recovery.to_dict`.
        label: what the image is taken for.
    """
    block = f"{found['block']} x {found['block']}"
    back = found["recovered"]["label"]
    if found["certified"]:
        return (
            "Proven for two pixels: whatever two pixels of this image are changed to, either the "
            f"image stays {label} or some pair of blocks of {block} pixels, filled from outside "
            "both, gives the change away. And whatever one pixel of it is changed to, filling "
            f"blocks and pairs of blocks gives {label} back."
        )
    told = "Not proven for two pixels: "
    if found["hole"] is None:
        return f"{told}the image itself has no clear label."
    where = " and ".join(
        f"row {row}, column {col}" for row, col in sorted({*map(tuple, found["hole"])})
    )
    told += (
        f"filled from outside, the {block} blocks from {where} on leave an image that is not "
        f"clearly {label} (pair {found['asked']:,} of {found['pairs']:,})."
    )
    if back is None:
        return told
    return (
        f"{told} Filling blocks and pairs of blocks gives {back}. If one pixel of it was changed "
        "and the image before was proven for two, that was its label."
    )


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
        f"**Proven** for **{_rate(right['certified'])}** of {right['certified']['n']:,} images "
        "that the network gets right: whoever changes one pixel, to whatever colour, either leaves "
        "the label as it is or raises the alarm of the rule *flip*, that some repair of a single "
        "pixel disagrees"
    )
    if breakable["n"]:
        told += (
            f"; for **{_rate(breakable)}** of {breakable['n']:,} that one pixel is known to flip"
        )
    told += f". False alarms: {_rate(right['alarms'])} on images it gets right"
    if found["wrong"]["alarms"]["n"]:
        told += f", {_rate(found['wrong']['alarms'])} on {found['wrong']['alarms']['n']:,} others"
    sound = {"rate": found["certified_accuracy"], "n": found["certified_accuracy_n"]}
    return (
        f"{told}. Of all {sound['n']:,}, **{_rate(sound)}** are both right and proven, "
        f"{100 * found['accuracy']:.1f}% right. The detectors below have thresholds and raise "
        "alarms of their own, for which nothing is proven."
    )


def proven_two_words(found: Found) -> str:
    """The same for two pixels, of `two_pixel_shares`; "" where there is nothing to tell."""
    right, block = found["correct"]["certified"], f"{found['block']} x {found['block']}"
    if not right["n"]:
        return ""
    return (
        f"For two pixels, by pairs of {block} blocks filled from outside: for **{_rate(right)}** "
        f"of {right['n']:,} that it gets right, whose label then comes back from any change of "
        "one; "
        "on the others that rule is a false alarm."
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
