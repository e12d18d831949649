"""Certificates and their shares in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ndcore.figures.detector.certificate import certificate_words, two_pixels_words
from ndcore.legible.plurals import counted
from ndcore.statistics.intervals import Rate

Found = Mapping[str, Any]


def certify_text(document: Found) -> str:
    """A line per image, then the shares, each with n and interval."""
    lines = []
    for row in document["results"]:
        label = row["predicted"] or "no label"
        lines.append(f"{row['file']}: {label}. {certificate_words(row)}")
        if "two_pixels" in row:
            lines.append(f"  {two_pixels_words(row['two_pixels'], label)}")
    summary = document["summary"]
    share = Rate(summary["certified"], summary["n"])
    images = counted(summary["n"], "image")
    lines.append(
        f"{summary['certified']:,} of {images} certified, {share.text} (the network of the bundle "
        f"{document['bundle']} on 8-bit images in float32; one pixel of any colour, changed by "
        "anybody; rule flip)"
    )
    told = (
        ("of those that the model gets right", summary["correct"]["certified"]),
        ("of those that a stored attack flips", summary["breakable"]["certified"]),
    )
    lines += [f"certified {words}: {_rate(found)}" for words, found in told if found["n"]]
    alarms = (("right", "correct"), ("wrong", "wrong"))
    lines += [
        f"false alarms on images that it gets {words}: {_rate(summary[name]['alarms'])}"
        for words, name in alarms
        if summary[name]["alarms"]["n"]
    ]
    if summary["certified_accuracy_n"]:
        rate = Rate.of(
            {"rate": summary["certified_accuracy"], "n": summary["certified_accuracy_n"]}
        )
        lines.append(
            f"certified accuracy (right and certified): {rate.text}, n = {rate.n:,}, "
            f"at {100 * summary['accuracy']:.1f}% right"
        )
    attacks = summary["attacks"]
    if attacks["n"]:
        lines.append(
            f"stored attacks: {attacks['caught']:,} of {attacks['n']:,} raise the alarm; of the "
            f"{attacks['on_certified']:,} on certified images {attacks['violations']} pass, where "
            "the proof allows none"
        )
    if "two_pixels" in summary:
        lines += _two_pixels(summary["two_pixels"])
    if "hole_attacks" in summary:
        lines.append(_holes_tried(summary["hole_attacks"]))
    if "audit" in summary:
        tried = summary["audit"]
        lines.append(
            f"every level of every pixel of {tried['images']:,} certified images: "
            f"{tried['changes']:,} changes, {tried['flips']:,} flips, {tried['unnoticed']} of them "
            "unnoticed"
        )
    return "\n".join(lines)


def _two_pixels(two: Found) -> list[str]:
    lines = [
        f"for two pixels, by pairs of {two['block']} x {two['block']} blocks: certified of those "
        f"that the model gets right {_rate(two['correct']['certified'])}; the rest of them raise "
        "a false alarm of this rule"
    ]
    if two["wrong"]["alarms"]["n"]:
        lines[0] += f", as do {_rate(two['wrong']['alarms'])} of those that it gets wrong"
    if two["accuracy"]["n"]:
        lines.append(
            "the label before a change of one pixel, by filling blocks and pairs of them: proven "
            f"to come back for the same images; right on {_rate(two['recovered_accuracy'])} of "
            f"the images as they are, without it on {Rate.of(two['accuracy']).text}"
        )
    back = two["attacks"]
    if back["n"]:
        lines.append(
            f"it comes back from {_rate(back)} of the stored attacks, and fails on "
            f"{back['violations']} of the {back['on_certified']:,} on images certified for two "
            "pixels, where the proof allows none"
        )
    return lines


def _holes_tried(tried: Found) -> str:
    return (
        f"holes of {counted(tried['images'], 'image')}: a colour of the grid reaches the class of "
        f"{tried['reached']:,} of {tried['holes']:,}, and {tried['unnoticed']:,} of these go "
        f"unnoticed, in {counted(tried['images_unnoticed'], 'image')}"
    )


def _rate(found: Found) -> str:
    rate = Rate.of(found)
    return f"{rate.text}, n = {rate.n:,}"
