"""Pairs of blocks of an image, filled from outside both, and what the network says to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.repairs import whole_answers
from ndcore.data.neighbours import filled
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import Evaluator
from ndcore.steps import in_parts

BATCH = 32  # whole images in one pass
BLOCK = 4

Corner = tuple[int, int]
Pair = tuple[Corner, Corner]


def corners_of(shape: Sequence[int], block: int) -> list[Corner]:
    """First row and column of every block of an image of shape (H, W, C).

    Args:
        shape: of the image.
        block: side of the blocks, which at the border may be cut.

    Raises:
        BadRequestError: no such block, or two of them would leave nothing of the image.
    """
    height, width = shape[:2]
    if block < 1:
        raise BadRequestError(f"a block has a side of at least 1 pixel, not {block}")
    corners = [(row, col) for row in range(0, height, block) for col in range(0, width, block)]
    if len(corners) < 3:
        raise BadRequestError(
            f"two blocks of {block} x {block} pixels leave nothing of {height} x {width} to go by"
        )
    return corners


def alone(corners: Sequence[Corner]) -> list[Pair]:
    """Every block as a pair with itself."""
    return [(corner, corner) for corner in corners]


def others(corners: Sequence[Corner]) -> list[Pair]:
    """Every pair of two blocks."""
    return list(combinations(corners, 2))


def pairs_of(shape: Sequence[int], block: int) -> int:
    """How many pairs there are, a block with itself among them; see `corners_of`."""
    blocks = len(corners_of(shape, block))
    return blocks * (blocks + 1) // 2


def filled_answers(
    evaluator: Evaluator, image: NDArray[np.uint8], pairs: Sequence[Pair], block: int
) -> Iterator[tuple[Sequence[Pair], NDArray[np.float32]]]:
    """Pairs, some at a time, and the logits (n, classes) of the image once they are filled."""
    for part in in_parts(len(pairs), BATCH):
        some = pairs[part]
        masks = np.zeros((len(some), *image.shape[:2]), bool)
        for mask, pair in zip(masks, some, strict=True):
            for row, col in pair:
                mask[row : row + block, col : col + block] = True
        yield some, whole_answers(evaluator, filled(image, masks))
