"""The proof put to the test: every level of every pixel of a grey image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.one_pixel import alarm_on
from ndcore.data.neighbours import median_of_neighbours
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import Evaluator
from ndcore.steps import in_parts

LEVELS = 256
BATCH = 2048  # images in one plain pass
VALUES = BATCH * 64  # pixels in one plain pass, at most


@dataclass(frozen=True)
class Audit:
    """All changes of one pixel of one image.

    Attributes:
        changes: how many there are.
        flips: how many of them alter the label.
        unnoticed: how many of these raise no alarm; 0 where the image is certified, if the proof
            holds.
    """

    changes: int
    flips: int
    unnoticed: int


def audit(evaluator: Evaluator, image: NDArray[np.uint8]) -> Audit:
    """Change every pixel to every level, by plain passes of whole images.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, 1).

    Raises:
        BadRequestError: the image has more channels, so too many colours to try.
    """
    height, width, channels = image.shape
    if channels != 1:
        raise BadRequestError(
            f"only of grey images can every change of one pixel be tried; these have {channels} "
            "channels"
        )
    label = int(evaluator.plain(image[None])[0].argmax())
    levels, places = np.arange(LEVELS), np.arange(height * width)
    where, level = (axis.ravel() for axis in np.meshgrid(places, levels, indexing="ij"))
    really = level != image.reshape(-1)[where]
    where, level = where[really], level[really]
    flips = unnoticed = 0
    size = max(1, min(BATCH, VALUES // (height * width)))
    for part in in_parts(len(where), size):
        rows = np.arange(len(where[part]))
        changed = np.repeat(image.reshape(1, -1), len(rows), 0)
        changed[rows, where[part]] = level[part]
        images = changed.reshape(-1, height, width, 1)
        found = evaluator.plain(images).argmax(1)
        hits = np.flatnonzero(found != label)
        flips += len(hits)
        if not len(hits):
            continue
        repaired = changed[hits]
        at = np.arange(len(hits)), where[part][hits]
        repaired[at] = median_of_neighbours(images[hits]).reshape(len(hits), -1)[at]
        agrees = evaluator.plain(repaired.reshape(-1, height, width, 1)).argmax(1) == found[hits]
        # One repair that disagrees is an alarm; where that of the changed pixel does not, all
        # others are asked.
        for index in hits[agrees].tolist():
            unnoticed += not alarm_on(evaluator, images[index])
    return Audit(len(where), flips, unnoticed)
