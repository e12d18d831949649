"""Every repair of an image in float32: what it takes to certify the image at any threshold.

The same answers make the repairs that a detector scores, so no image is repaired twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.certificate.repairs import MARGIN, leads, repaired_answers
from ndcore.detectors.repair import Repairs, repairs_of, with_pairs
from ndcore.networks.evaluator import Evaluator
from ndcore.statistics.log_odds import log_odds

KEPT = 2**20  # logits of one image, at most, that are kept


@dataclass(frozen=True)
class ProvenRepairs(Repairs):
    """Repairs of N images, all of them in float32.

    Attributes:
        logits: float16 (N, H, W, classes), of the image with this pixel repaired; (N, 0, 0, 0)
            where an image has more than `KEPT`.
        lead: float32 (N,), by how much the predicted class leads at the least, in the image and in
            every repair; NaN where the model gives no numbers.
        clear: bool (N,), whether the image itself has a label of its own: a lead above the margin.
        taken: int16 (N, H, W), at a hole the class that its repair is or may be taken for, -1
            elsewhere.
        most: float32 (N, classes), the largest log-odds of each class in the image or any repair.
        holes: bool (N, classes), whether some repair is, or may be, taken for this class.
    """

    logits: NDArray[np.float16]
    lead: NDArray[np.float32]
    clear: NDArray[np.bool_]
    taken: NDArray[np.int16]
    most: NDArray[np.float32]
    holes: NDArray[np.bool_]

    @property
    def certified(self) -> NDArray[np.bool_]:
        """No change of one pixel alters the label without the alarm of the rule `flip`, (N,)."""
        return np.asarray(self.clear & ~self.holes.any(1))

    def certified_at(
        self, bound: NDArray[np.floating], cuts: NDArray[np.floating]
    ) -> NDArray[np.bool_]:
        """No change of one pixel alters the label and stays at or below a detector's threshold.

        Args:
            bound: (N, classes), below which its score cannot fall, by the class after the change.
            cuts: (classes,), its thresholds.
        """
        passes = ~(bound > cuts + MARGIN)
        passes[np.arange(len(passes)), self.predicted] = False
        return np.asarray(self.clear & ~passes.any(1))


def prove(
    exact: Evaluator,
    screen: Evaluator,
    pixels: NDArray[np.uint8],
    *,
    on_image: Callable[[int], None] | None = None,
) -> ProvenRepairs:
    """Repair every pixel of every image in float32.

    Args:
        exact: of the model, in float32; screen: what pairs are searched with.
        pixels: uint8 (N, H, W, C), at least one image.
        on_image: called with 1 after each image.
    """
    found = []
    for image in pixels:
        found.append(_one(exact, screen, image))
        if on_image:
            on_image(1)
    return ProvenRepairs.joined(found)


def _one(exact: Evaluator, screen: Evaluator, image: NDArray[np.uint8]) -> ProvenRepairs:
    height, width = image.shape[:2]
    own = exact.plain(image[None])
    label, classes = int(own.argmax()), own.shape[1]
    logits = np.broadcast_to(own[0], (height, width, classes)).copy()
    for places, answers in repaired_answers(exact, image):
        logits[places[:, 0], places[:, 1]] = answers
    flat = logits.reshape(-1, classes)
    odds = np.stack([log_odds(flat, c) for c in range(classes)], 1)
    before = float(log_odds(own, label)[0])
    lead = leads(flat, label)
    open_ = ~(lead > MARGIN)
    rivals = open_[:, None] & ~(flat < flat.max(1, keepdims=True) - MARGIN)  # NaN: any class
    rivals[:, label] = False
    taken = np.where(rivals.any(1), np.where(rivals, flat, -np.inf).argmax(1), -1)
    alone = repairs_of(
        label,
        before,
        (before - odds[:, label]).reshape(height, width).astype(np.float32),
        flat.argmax(1).reshape(height, width).astype(np.int16),
        np.ones((height, width), np.bool_),
    )
    kept = logits if logits.size <= KEPT else logits[:0, :0, :0]
    return ProvenRepairs(
        **vars(with_pairs(screen, image, alone)),
        logits=kept[None].astype(np.float16),
        lead=np.array([min(float(leads(own, label)[0]), float(lead.min()))], np.float32),
        clear=np.array([float(leads(own, label)[0]) > MARGIN]),
        taken=taken.reshape(1, height, width).astype(np.int16),
        most=odds.max(0)[None].astype(np.float32),
        holes=rivals.any(0)[None],
    )
