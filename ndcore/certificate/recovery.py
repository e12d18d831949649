"""The label that an image had before one of its pixels was changed, by double masking.

Every block of the image is filled in turn. Where all of these agree, their label is the answer.
Else each block that disagrees with the most is filled together with every other one: if all these
pairs keep to its label, that is the answer, and if no block's do, the label of the most.

If x is certified for two pixels (`two_pixels`), with the label y, and x' differs from x in one
pixel, which lies in block A, then the answer for x' is y, whatever the change:

1. R_A(x') = R_A(x) has the label y, so where all agree it is on y.
2. A block B that says another label is filled together with A too, and R_AB(x') = R_AB(x) says y:
   its pairs do not keep to its label.
3. If y is not the label of the most, then A is asked, and its pairs, R_AB(x') = R_AB(x) for all B,
   keep to y. If it is, it is the answer that is left.

Reference:
    Xiang, Mahloujifar & Mittal 2022, "PatchCleanser", algorithm 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.blocks import BLOCK, alone, corners_of, filled_answers
from ndcore.networks.evaluator import Evaluator

SILENT = -1  # the model gives no numbers


@dataclass(frozen=True)
class Recovery:
    """The answer of double masking.

    Attributes:
        label: class position; None where the model gives no numbers.
        agreed: all blocks said so, alone.
        asked: how many filled images it took.
    """

    label: int | None
    agreed: bool
    asked: int

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As in the command line's JSON."""
        return vars(self) | {"label": None if self.label is None else classes[self.label]}


def recover(evaluator: Evaluator, image: NDArray[np.uint8], block: int = BLOCK) -> Recovery:
    """The label of an image of which one pixel may have been changed.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C).
        block: side of the blocks.

    Raises:
        BadRequestError: see `blocks.corners_of`.
    """
    corners = corners_of(image.shape, block)
    said = np.concatenate(
        [_said(logits) for _, logits in filled_answers(evaluator, image, alone(corners), block)]
    )
    asked = len(said)
    names, counts = np.unique(said, return_counts=True)
    most = int(names[counts.argmax()])
    for at in np.flatnonzero((said != most) & (said != SILENT)).tolist():
        pairs = [(corners[at], other) for other in corners]
        for part, logits in filled_answers(evaluator, image, pairs, block):
            asked += len(part)
            if (_said(logits) != said[at]).any():
                break
        else:
            return Recovery(int(said[at]), False, asked)
    return Recovery(None if most == SILENT else most, len(names) == 1, asked)


def _said(logits: NDArray[np.float32]) -> NDArray[np.int64]:
    """Class position of each answer (n, classes), or `SILENT`."""
    known = np.isfinite(logits).all(1)
    return np.where(known, logits.argmax(1), SILENT)
