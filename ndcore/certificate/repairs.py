"""What the network says to an image with each of its pixels repaired, in float32."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ndcore.data.neighbours import median_of_neighbours
from ndcore.data.pixels import paint
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import TOLERANCE, Evaluator, Query
from ndcore.steps import in_parts

MARGIN = 1e-3  # a lead between two logits that float32 may lose
PART = 4096  # repairs whose answers are held at a time
TIMED = 128  # repairs that tell how long all take

Answers = tuple[NDArray[np.int64], NDArray[np.float32]]


def repaired_answers(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    part: int = PART,
) -> Iterator[Answers]:
    """Positions (P, 2) and logits (P, classes) of the repairs that change the image, in parts.

    Args:
        evaluator: of the model.
        image: uint8 (H, W, C).
        part: how many at a time.

    Raises:
        BadRequestError: the image has one pixel, so no neighbours.
    """
    repaired, places = _repairs(evaluator, image)
    for some in in_parts(len(places), part):
        yield places[some], _answers(evaluator, image, places[some], repaired)


def expected_seconds(evaluator: Evaluator, image: NDArray[np.uint8]) -> float:
    """Seconds that all repairs of such an image will take, from the first few of them."""
    repaired, places = _repairs(evaluator, image)
    if not len(places):
        return 0.0
    few, spent = places[:TIMED], 0.0
    for _ in range(2):  # the first warms up
        started = time.perf_counter()
        _answers(evaluator, image, few, repaired)
        spent = time.perf_counter() - started
    return spent * len(places) / len(few)


def leads(logits: NDArray[np.floating], label: int) -> NDArray[np.float64]:
    """By how much the class `label` leads all others, (P,), of logits (P, classes).

    Negative where another class leads; NaN where the model gives no numbers.
    """
    values = np.asarray(logits, np.float64)
    others = np.delete(values, label, axis=1).max(1)
    known = np.isfinite(values).all(1)
    with np.errstate(invalid="ignore"):
        return np.where(known, values[:, label] - others, np.nan)


def _repairs(
    evaluator: Evaluator, image: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The image with every pixel repaired at once, and the positions that this changes."""
    if image.shape[0] * image.shape[1] < 2:
        raise BadRequestError("an image of one pixel has no neighbours to repair it from")
    repaired = median_of_neighbours(image[None])[0]
    places = np.argwhere((repaired != image).any(-1))
    return repaired, places[evaluator.order(places)] if len(places) else places


def _answers(
    evaluator: Evaluator,
    image: NDArray[np.uint8],
    places: NDArray[np.int64],
    repaired: NDArray[np.uint8],
) -> NDArray[np.float32]:
    colours = repaired[places[:, 0], places[:, 1]][:, None]
    query = Query(image, places[:, None], colours)
    logits = evaluator.run([query], exact=True)[0]
    # The evaluator answers for whole images within a tolerance. Where that could turn the label
    # around, the model itself is asked, one whole image at a time.
    for at in np.flatnonzero(_unclear(logits)).tolist():
        whole = paint(image, places[at : at + 1, None], colours[at : at + 1])
        logits[at] = evaluator.plain(whole)[0]
    return logits


def whole_answers(evaluator: Evaluator, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Logits (n, classes) of whole images (n, H, W, C), near a decision those of plain passes."""
    logits = evaluator.whole(images)
    for at in np.flatnonzero(_unclear(logits)).tolist():
        logits[at] = evaluator.plain(images[at : at + 1])[0]
    return logits


def _unclear(logits: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which (P,) answers the evaluator's tolerance could turn around."""
    second, first = np.moveaxis(np.partition(logits, -2, axis=1)[:, -2:], 1, 0)
    largest = np.abs(logits[np.isfinite(logits)]).max(initial=1.0)
    with np.errstate(invalid="ignore"):
        return np.asarray(~(first - second > MARGIN + 2 * TOLERANCE * largest))
