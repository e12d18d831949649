"""Natural errors: images that nobody attacked and that the model takes for another class.

Summit's precursor asks what a wrongly predicted cat looks like from inside, next to all cats; these
are such images. By default they are looked for among images that the model never learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from ndcore.bundles.bundle import Bundle
from ndcore.data.sources import ImageSource
from ndcore.data.splits import held_out_keys, positions
from ndcore.errors import BadRequestError
from ndcore.networks.forward import predict
from ndcore.networks.stoppable import until_stopped
from ndcore.steps import ShouldStop, in_parts

BATCH = 64  # images between two reports


@dataclass(frozen=True)
class NaturalError:
    """An untouched image that is classified wrongly.

    Attributes:
        image_id: where it can be looked up.
        position: of the image in its source.
        true, predicted: class positions; never equal.
        confidence: probability of the predicted class, in [0, 1].
    """

    image_id: str
    position: int
    true: int
    predicted: int
    confidence: float


def held_out(bundle: Bundle, source: ImageSource) -> list[int]:
    """Positions of the images of a source that say how the model does on new ones.

    Where the source holds images of the bundle's splits these are dev, calibration and evaluation,
    never the reference images that trained the model; any other source is new from end to end.
    """
    found = positions(source, held_out_keys(bundle.splits))
    if found or positions(source, bundle.splits["reference"]):
        return sorted(found)
    return list(range(len(source)))


def find_errors(
    bundle: Bundle,
    source: ImageSource,
    members: Sequence[int] | None = None,
    *,
    on_batch: Callable[[int, list[NaturalError]], None] | None = None,
    should_stop: ShouldStop = None,
) -> tuple[NaturalError, ...]:
    """Wrongly classified images of a source, one float32 pass per image.

    Args:
        bundle: names the classes and has the model.
        source: of the bundle's classes and image shape.
        members: positions to look at; default: those that are `held_out`.
        on_batch: told how many images were just read, and the errors among them.
        should_stop: asked before every function of torch; what was found until then is returned.

    Returns:
        The most confident error first; equally confident ones in the order of the source.

    Raises:
        BadRequestError: the source has other classes or another image shape.
    """
    if source.classes != bundle.classes or source.shape != bundle.shape:
        raise BadRequestError(
            f"source '{source.name}' has other classes or another image shape than "
            f"bundle '{bundle.name}'"
        )
    chosen = held_out(bundle, source) if members is None else [int(i) for i in members]
    found: list[NaturalError] = []
    with until_stopped(should_stop):
        for part in in_parts(len(chosen), BATCH):
            wrong = _wrong(bundle, source, chosen[part])
            found += wrong
            if on_batch:
                on_batch(len(chosen[part]), wrong)
    return most_confident_first(found)


def most_confident_first(found: Iterable[NaturalError]) -> tuple[NaturalError, ...]:
    """Errors in their order; equally confident ones in that of the source."""
    return tuple(sorted(found, key=lambda error: (-error.confidence, error.position)))


def _wrong(bundle: Bundle, source: ImageSource, part: list[int]) -> list[NaturalError]:
    probabilities = softmax(predict(bundle.model, source, part), axis=1)
    predicted = probabilities.argmax(1)
    labels = source.labels[part]
    return [
        NaturalError(
            image_id=source.ids[part[row]],
            position=part[row],
            true=int(labels[row]),
            predicted=int(predicted[row]),
            confidence=float(probabilities[row, predicted[row]]),
        )
        for row in np.flatnonzero(predicted != labels).tolist()
    ]
