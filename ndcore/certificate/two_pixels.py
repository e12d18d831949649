"""The certificate for two changed pixels: pairs of blocks, filled from outside both.

The image is cut into blocks. For every pair of them both are filled at once from the pixels
outside, ring by ring with the median of the neighbours known so far. Two changed pixels lie in some
pair, and a fill that looks at neither block takes both changes away:

1. Where x' differs from x in two pixels at most, some pair of blocks A, B holds them, and
   R_AB(x') = R_AB(x), byte for byte.
2. If every R_AB(x) has the label f(x), then so has R_AB(x').
3. So if f(x') is another label, a repair of x' disagrees with it: alarm.

Where every pair agrees, the label of x also comes back from any change of one pixel: whatever pair
that pixel lies in, the repair has it. Blocks of one pixel give the tightest certificate, at half a
million queries for a 32 x 32 image; larger ones cost far fewer and are refused more often.

Reference:
    Xiang, Mahloujifar & Mittal 2022, "PatchCleanser" (double masking), with another fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.repairs import MARGIN, leads
from ndcore.data.neighbours import neighbours
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import Evaluator
from ndcore.steps import in_parts

BATCH = 32  # whole images in one pass
BLOCK = 4


Pair = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class PairCertificate:
    """What is proven of one image against changes of two pixels.

    Attributes:
        certified: every pair of blocks agrees with the label of the image.
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
    evaluator: Evaluator, image: NDArray[np.uint8], block: int = BLOCK
) -> PairCertificate:
    """Prove that no change of two pixels alters the label without a pair of blocks disagreeing.

    Ends with the first pair that disagrees; the blocks whose own repair costs the label most are
    paired first. In float32, with the margin of `repairs.MARGIN`.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C).
        block: side of the blocks, which at the border may be cut.

    Raises:
        BadRequestError: no such block, or two of them would leave nothing of the image.
    """
    corners, pairs = _corners(image.shape, block), pairs_of(image.shape, block)
    own = evaluator.plain(image[None])
    label = int(own.argmax())
    if not leads(own, label)[0] > MARGIN:
        return PairCertificate(False, block, pairs, 0, None)
    alone = [(corner, corner) for corner in corners]
    by_block: dict[tuple[int, int], float] = {}
    asked = 0
    for some, lead in _asked(evaluator, image, alone, block, label):
        asked += len(some)
        by_block |= {pair[0]: float(value) for pair, value in zip(some, lead, strict=True)}
        if (found := _first_hole(some, lead)) is not None:
            return PairCertificate(False, block, pairs, asked, found)
    ordered = sorted(
        (pair for pair in combinations_with_replacement(corners, 2) if pair[0] != pair[1]),
        key=lambda pair: by_block[pair[0]] + by_block[pair[1]],
    )
    for some, lead in _asked(evaluator, image, ordered, block, label):
        asked += len(some)
        if (found := _first_hole(some, lead)) is not None:
            return PairCertificate(False, block, pairs, asked, found)
    return PairCertificate(True, block, pairs, asked, None)


def pairs_of(shape: Sequence[int], block: int) -> int:
    """How many pairs of blocks an image of shape (H, W, C) has, a block with itself among them.

    Raises:
        BadRequestError: see `certify_two`.
    """
    blocks = len(_corners(shape, block))
    return blocks * (blocks + 1) // 2


def _corners(shape: Sequence[int], block: int) -> list[tuple[int, int]]:
    """First row and column of every block."""
    height, width = shape[:2]
    if block < 1:
        raise BadRequestError(f"a block has a side of at least 1 pixel, not {block}")
    corners = [(row, col) for row in range(0, height, block) for col in range(0, width, block)]
    if len(corners) < 3:
        raise BadRequestError(
            f"two blocks of {block} x {block} pixels leave nothing of {height} x {width} to go by"
        )
    return corners


def _asked(
    evaluator: Evaluator, image: NDArray[np.uint8], pairs: list[Pair], block: int, label: int
) -> Iterator[tuple[list[Pair], NDArray[np.float64]]]:
    """Pairs, some at a time, and by how much the label leads once they are filled."""
    for part in in_parts(len(pairs), BATCH):
        some = pairs[part]
        masks = np.zeros((len(some), *image.shape[:2]), bool)
        for mask, pair in zip(masks, some, strict=True):
            for row, col in pair:
                mask[row : row + block, col : col + block] = True
        yield some, leads(evaluator.plain(filled(image, masks)), label)


def _first_hole(pairs: list[Pair], lead: NDArray[np.float64]) -> Pair | None:
    holes = np.flatnonzero(~(lead > MARGIN))
    return pairs[int(holes[0])] if len(holes) else None


def filled(image: NDArray[np.uint8], masks: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Copies of an image with what is masked filled from outside.

    Ring by ring, every pixel with known neighbours takes their median, per channel. Nothing that
    is masked is looked at.

    Args:
        image: uint8 (H, W, C).
        masks: (P, H, W), each with something left unmasked.

    Returns:
        uint8 (P, H, W, C).
    """
    known = ~masks
    values = np.where(known[..., None], image, 0).astype(np.uint8)
    while not known.all():
        around = neighbours(values)
        near = np.nan_to_num(neighbours(known[..., None].astype(np.uint8))) > 0
        around[np.broadcast_to(~near, around.shape)] = np.nan
        ordered = np.sort(around, axis=0)
        count = near.sum(0)
        low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, 0)[0]
        high = np.take_along_axis(ordered, count[None] // 2, 0)[0]
        ring = ~known & (count[..., 0] > 0)
        values[ring] = np.rint((low[ring] + high[ring]) / 2).astype(np.uint8)
        known = known | ring
    return values
