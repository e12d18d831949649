"""What the owner of some images should know of them before a bundle is built from them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import numpy as np

from ndcore.data.copies import first_copies
from ndcore.data.folders import image_sizes
from ndcore.data.sources import ImageSource
from ndcore.data.splits import HELD_OUT, LARGEST_SHARE, positions
from ndcore.legible.plurals import counted
from ndcore.networks.form import Finding
from ndcore.statistics.conformal import rank

USUAL_ALARMS = 0.05  # the rate of false alarms that pages and commands begin with
PROPORTIONS = 0.02  # of the wanted ones: a difference that nobody sees
NAMED = 10  # classes


def image_findings(source: ImageSource, splits: dict[str, list[str]]) -> list[Finding]:
    """What was left out, copies, images out of proportion, and classes too small to calibrate.

    The last need the splits; without a calibration split they are not looked for.
    """
    return [
        *(Finding(told) for told in source.left_out),
        *_copies(source),
        *_squeezed(source),
        *_small(source, splits),
    ]


def _copies(source: ImageSource) -> Iterator[Finding]:
    first = first_copies(source)
    again = np.flatnonzero(first != np.arange(len(first)))
    if not len(again):
        return
    pair = f"{source.ids[again[0]]} of {source.ids[first[again[0]]]}"
    conflict = int((source.labels[again] != source.labels[first[again]]).sum())
    told = f", {conflict} of them in another class" if conflict else ""
    yield Finding(
        f"copies of other images: {counted(len(again), 'file')}{told}, such as {pair}",
        remedy="copies are never on both sides of what is learnt and what is judged, but within "
        "a side each of them counts",
    )


def _squeezed(source: ImageSource) -> Iterator[Finding]:
    height, width, _ = source.shape
    if source.name != "folder" or source.intake.crop is not None:
        return
    wanted = width / height
    odd = [
        (image_id, size)
        for image_id, size in zip(source.ids, image_sizes(source), strict=True)
        if size and abs(size[1] / size[0] - wanted) > PROPORTIONS * wanted
    ]
    if odd:
        image_id, (rows, columns) = odd[0]
        yield Finding(
            f"{len(odd):,} images are squeezed into {width}x{height}, such as {image_id} of "
            f"{columns}x{rows}",
            remedy="--crop keeps their middle instead",
        )


def _small(source: ImageSource, splits: dict[str, list[str]]) -> Iterator[Finding]:
    if "calibration" not in splits:
        return
    needed = next(n for n in count(1) if rank(n, USUAL_ALARMS))
    labels = source.labels[positions(source, splits["calibration"])]
    found = np.bincount(labels, minlength=len(source.classes))
    small = [
        f"'{name}' ({n})"
        for name, n in zip(source.classes, found.tolist(), strict=True)
        if n < needed and name not in source.absent
    ]
    if small:
        enough = round(needed / (LARGEST_SHARE * HELD_OUT["calibration"]))
        more = f" and {len(small) - NAMED} more" if len(small) > NAMED else ""
        yield Finding(
            f"fewer than {needed} images calibrate the detectors for {', '.join(small[:NAMED])}"
            f"{more}",
            remedy=f"what is taken for such a class is never flagged at {100 * USUAL_ALARMS:g}% "
            f"of false alarms; {enough} images of a class are enough",
        )
