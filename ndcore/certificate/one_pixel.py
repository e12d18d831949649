"""The certificate of one image: its holes, the classes it can have been, and how near it was.

Reference:
    Ours. Nearest are the one-mask predictions by which PatchGuard's successors certify the
    detection of patches (McCoyd et al. 2020, "Minority reports"; Xiang et al. 2022,
    "PatchCleanser"); a single pixel whose fill ignores it needs no retrained network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from ndcore.certificate.repairs import MARGIN, leads, repaired_answers
from ndcore.data.neighbours import median_of_neighbours
from ndcore.errors import BadRequestError
from ndcore.legible.plurals import counted
from ndcore.networks.evaluator import Evaluator, evaluator_for
from ndcore.networks.stoppable import stoppable
from ndcore.steps import ShouldStop

FEW = 256  # repairs between two looks whether one of them objects already


@dataclass(frozen=True)
class Hole:
    """A pixel and a class through which a change of that pixel could pass unnoticed.

    Attributes:
        row, col: the pixel.
        label: class that its repair is taken for, or ties with; None for any class, where the
            model gives no numbers.
    """

    row: int
    col: int
    label: int | None


@dataclass(frozen=True)
class Certificate:
    """What is proven of one image.

    Attributes:
        predicted: class position; None where two classes tie or the model gives no numbers.
        margin: by how much logit the predicted class leads, at the least, in the image and in all
            its repairs; negative where a repair changes the label, NaN without numbers. In the
            image alone where `predicted` is None.
        holes: the pixels whose repair has, or may have, another label.
    """

    predicted: int | None
    margin: float
    holes: tuple[Hole, ...] = ()

    @property
    def certified(self) -> bool:
        """No change of one pixel can alter the label without the alarm of the rule `flip`."""
        return self.predicted is not None and not self.holes

    @property
    def alarm(self) -> bool:
        """Whether the rule `flip` objects to this image: some repair does not clearly agree."""
        return not self.certified

    @property
    def labels(self) -> tuple[int, ...] | None:
        """The classes that the image before a change of one pixel can have had, if that was
        certified; None where it could be any.
        """
        if self.predicted is None:
            return None
        found = {self.predicted}
        for hole in self.holes:
            if hole.label is None:
                return None
            found.add(hole.label)
        return tuple(sorted(found))

    @property
    def why(self) -> str:
        """What stands against the proof; "" where there is one."""
        if self.predicted is None:
            if math.isnan(self.margin):
                return "the model gives no numbers for the image itself"
            return f"the image itself lies within {MARGIN:g} of a tie between two classes"
        if not self.holes:
            return ""
        pixels = {(hole.row, hole.col) for hole in self.holes}
        silent = sum(hole.label is None for hole in self.holes)
        told = f"the repair of {counted(len(pixels), 'pixel')} "
        told += "has another label or ties with one"
        return told + (f"; for {silent:,} of them the model gives no numbers" if silent else "")

    def to_dict(self, classes: Sequence[str]) -> dict[str, Any]:
        """As in the command line's JSON, with class names."""

        def name(label: int | None) -> str | None:
            return None if label is None else classes[label]

        return {
            "predicted": name(self.predicted),
            "certified": self.certified,
            "why": self.why,
            "holes": [
                {"row": hole.row, "col": hole.col, "label": name(hole.label)} for hole in self.holes
            ],
            "labels": None if self.labels is None else [classes[label] for label in self.labels],
            "alarm": self.alarm,
            "margin": None if math.isnan(self.margin) else self.margin,
        }


def certify(
    model: nn.Module,
    pixels: NDArray[np.uint8],
    *,
    on_image: Callable[[Certificate], None] | None = None,
    should_stop: ShouldStop = None,
) -> list[Certificate]:
    """Prove, image by image, that no change of one pixel alters the label unnoticed.

    What `certified` says of an image x: for every x' that differs from x in one pixel, by any
    colour, found by whatever means and with full knowledge of all this, either x' keeps the label
    of x or a single repair of x' has another label than x', so that the rule `flip` raises the
    alarm on x'. The proof is in `ndcore.certificate`, in three lines. Of an image that is not
    certified it says where alone a change can pass: at a hole, and to that hole's class.

    For which model: this one, with these weights, as it answers 8-bit images of its own size in
    float32. A change before the image was resized or compressed is no change of one pixel.
    Against whom: anybody who may change one pixel of the image, and neither the model nor the
    detector. What is not said: that the label is right, that a change would be caught by another
    detector or at another threshold than `flip`'s, anything about two pixels and more.

    All is computed in float32, one image at a time, so that the answer does not hang on the other
    images; a lead of at most `repairs.MARGIN` counts as none, on the image that is certified as on
    the one that is judged, and what lies near it is decided by plain passes of whole images. A
    tie, or no number, is never certified.

    Args:
        model: in eval mode, returns one number per class; not changed.
        pixels: uint8 (N, H, W, C) of any size, at least two pixels. A repair costs one query,
            an image H x W of them; see `repairs.expected_seconds`.
        on_image: called with each certificate.
        should_stop: asked before every function of torch.

    Raises:
        BadRequestError: the images have no neighbours, or the model has one class.
        StoppedError: `should_stop` said so.
    """
    if not len(pixels):
        return []
    found = []
    with stoppable(should_stop):
        evaluator = evaluator_for(model, pixels.shape[1:], "float32")
        for image in pixels:
            found.append(certificate_of(evaluator, image))
            if on_image:
                on_image(found[-1])
    return found


def certificate_of(evaluator: Evaluator, image: NDArray[np.uint8]) -> Certificate:
    """The certificate of one image uint8 (H, W, C); see `certify`."""
    own = evaluator.plain(image[None])
    if own.shape[1] < 2:
        raise BadRequestError("a model with a single class has no label that a pixel could change")
    label = int(own.argmax())
    lead = float(leads(own, label)[0])
    if not lead > MARGIN:
        return Certificate(None, lead)
    least, holes = [lead], []
    for places, logits in repaired_answers(evaluator, image):
        found = leads(logits, label)
        least.append(float(found.min()))
        open_ = ~(found > MARGIN)
        for (row, col), answer in zip(places[open_].tolist(), logits[open_], strict=True):
            holes += [Hole(row, col, rival) for rival in _rivals(answer, label)]
    holes.sort(key=lambda hole: (hole.row, hole.col))
    return Certificate(label, float(np.min(least)), tuple(holes))


def alarm_on(
    evaluator: Evaluator, image: NDArray[np.uint8], first: tuple[int, int] | None = None
) -> bool:
    """`Certificate.alarm` of an image uint8 (H, W, C); ends with the first repair that objects.

    Args:
        evaluator: of the model.
        image: to judge.
        first: row and column of a pixel whose repair is asked before all others.
    """
    own = evaluator.plain(image[None])
    label = int(own.argmax())
    if not leads(own, label)[0] > MARGIN:
        return True
    if first is not None:
        row, col = first
        repaired = image[None].copy()
        repaired[0, row, col] = median_of_neighbours(image[None])[0, row, col]
        if not leads(evaluator.plain(repaired), label)[0] > MARGIN:
            return True
    answers = repaired_answers(evaluator, image, FEW)
    return not all(bool((leads(logits, label) > MARGIN).all()) for _, logits in answers)


def _rivals(answer: NDArray[np.float32], label: int) -> list[int | None]:
    """The other classes that an answer (classes,) is, or may be, taken for."""
    if not np.isfinite(answer).all():
        return [None]
    near = np.flatnonzero(answer >= answer.max() - MARGIN).tolist()
    return [rival for rival in near if rival != label]
