"""The certificate for two changed pixels: pairs of blocks, filled from outside both.

The image is cut into blocks, and R_AB(x) is the image x with the blocks A and B filled at once from
the pixels outside both. The rule for pairs raises the alarm if any R_AB of an image has another
label. Two changed pixels lie in some pair, and a fill that looks at neither block takes both
changes away:

1. Where x' differs from x in two pixels at most, some pair of blocks A, B holds them, and
   R_AB(x') = R_AB(x), byte for byte.
2. If every R_AB(x) has the label f(x), then so has R_AB(x').
3. So if f(x') is another label, a repair of x' disagrees with it: alarm.

Where every pair agrees, the label of x also comes back from any change of one pixel: see
`recovery`. Blocks of one pixel give the tightest certificate, at half a million queries for a
32 x 32 image; larger ones cost far fewer and are refused more often.

Reference:
    Xiang, Mahloujifar & Mittal 2022, "PatchCleanser" (double masking), with another fill.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.blocks import (
    BLOCK,
    Corner,
    Pair,
    alone,
    corners_of,
    filled_answers,
    others,
    pairs_of,
)
from ndcore.certificate.repairs import MARGIN, leads
from ndcore.networks.evaluator import Evaluator


@dataclass(frozen=True)
class PairCertificate:
    """What is proven of one image against changes of two pixels.

    Attributes:
        certified: every pair of blocks agrees with the label of the image, so that the rule for
            pairs raises no alarm on it; whether it does is the same question.
        block: side of a block.
        pairs: how many pairs there are.
        asked: how many were asked, up to the first that disagreed.
        hole: the pair that disagreed, each block by its first row and column; None without one.
    """

    certified: bool
    block: int
    pairs: int
    asked: int
    hole: Pair | None

    def to_dict(self) -> dict[str, Any]:
        """As in the command line's JSON."""
        return vars(self) | {"hole": None if self.hole is None else [list(b) for b in self.hole]}


def certify_two(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    block: int = BLOCK,
    on_asked: Callable[[int], None] | None = None,
) -> PairCertificate:
    """Prove that no change of two pixels alters the label without a pair of blocks disagreeing.

    Ends with the first pair that disagrees; the blocks whose own repair costs the label most are
    paired first. In float32, with the margin of `repairs.MARGIN`.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C).
        block: side of the blocks, which at the border may be cut.
        on_asked: called with how many pairs were asked so far.

    Raises:
        BadRequestError: no such block, or two of them would leave nothing of the image.
    """
    corners, pairs = corners_of(image.shape, block), pairs_of(image.shape, block)
    own = evaluator.plain(image[None])
    label = int(own.argmax())
    if not leads(own, label)[0] > MARGIN:
        return PairCertificate(False, block, pairs, 0, None)
    lead_of: dict[Corner, float] = {}
    asked = 0

    def hole_among(some: list[Pair]) -> Pair | None:
        nonlocal asked
        for part, logits in filled_answers(evaluator, image, some, block):
            lead = leads(logits, label)
            asked += len(part)
            if on_asked:
                on_asked(asked)
            if (holes := np.flatnonzero(~(lead > MARGIN))).size:
                return part[int(holes[0])]
            for (first, second), value in zip(part, lead.tolist(), strict=True):
                if first == second:
                    lead_of[first] = value
        return None

    hole = hole_among(alone(corners))
    if hole is None:
        rest = sorted(others(corners), key=lambda pair: lead_of[pair[0]] + lead_of[pair[1]])
        hole = hole_among(rest)
    return PairCertificate(hole is None, block, pairs, asked, hole)
