"""An attack on the holes alone: can what is not proven be used at all?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.engines.grid import Grid
from ndcore.certificate.one_pixel import Certificate, Hole, alarm_on
from ndcore.certificate.repairs import MARGIN, leads
from ndcore.data.pixels import paint
from ndcore.networks.evaluator import Evaluator, Query

LEVELS = 9  # of each channel; a grey pixel is tried at every level there is
TRIES = 8  # colours, the surest flips first, that are shown to the rule


@dataclass(frozen=True)
class HoleAttack:
    """What a change of one hole's pixel can do.

    Attributes:
        hole: the pixel and the class.
        tried: colours of the grid.
        reached: how many of them turn the image into the hole's class.
        colour: of a change that does so and raises no alarm; None where none of those shown to
            the rule went unnoticed.
    """

    hole: Hole
    tried: int
    reached: int
    colour: tuple[int, ...] | None

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As in the command line's JSON."""
        return {
            "row": self.hole.row,
            "col": self.hole.col,
            "label": None if self.hole.label is None else classes[self.hole.label],
            "tried": self.tried,
            "reached": self.reached,
            "unnoticed": None if self.colour is None else list(self.colour),
        }


def attack_holes(
    evaluator: Evaluator, image: NDArray[np.uint8], certificate: Certificate
) -> list[HoleAttack]:
    """Try a grid of colours at every hole, and show the surest flips to the rule `flip`.

    By the proof nothing else can pass: whoever changes one pixel unnoticed changes it at a hole
    and reaches that hole's class. A hole that is not used here may still be usable by a colour
    between those of the grid.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C); certificate: of it.
    """
    colours = hole_colours(image.shape[2])
    answers: dict[tuple[int, int], NDArray[np.float32]] = {}
    found = []
    for hole in certificate.holes:
        at = (hole.row, hole.col)
        places = np.tile(np.array(at, np.int64), (len(colours), 1, 1))
        if at not in answers:
            query = Query(image, places, colours[:, None])
            answers[at] = evaluator.run([query], exact=True)[0]
        logits = answers[at]
        labels = [hole.label]
        if hole.label is None:
            labels = [label for label in range(logits.shape[1]) if label != certificate.predicted]
        lead = np.max([leads(logits, label) for label in labels if label is not None], axis=0)
        flips = np.flatnonzero(lead > MARGIN)
        surest = flips[np.argsort(-lead[flips], kind="stable")][:TRIES]
        passed = next(
            (
                int(index)
                for index in surest
                if not alarm_on(evaluator, paint(image, places[:1], colours[index][None, None])[0])
            ),
            None,
        )
        colour = None if passed is None else tuple(int(value) for value in colours[passed])
        found.append(HoleAttack(hole, len(colours), len(flips), colour))
    return found


def hole_colours(channels: int) -> NDArray[np.uint8]:
    """Colours to try at a hole, uint8 (P, C); the last channel changes fastest."""
    return Grid(levels=256 if channels == 1 else LEVELS).colours(channels)[:, ::-1]
