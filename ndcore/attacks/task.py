"""One image to attack, and what the network says of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax


@dataclass(frozen=True)
class Task:
    """One of the images to attack.

    Attributes:
        index: its place among all, from 0.
        id: its name; its random stream is made of this and the seed.
        image: uint8 (H, W, C).
        label: true class.
        logits: float32 (classes,) of a plain float32 pass.
    """

    index: int
    id: str
    image: NDArray[np.uint8]
    label: int
    logits: NDArray[np.float32]

    @cached_property
    def probabilities(self) -> NDArray[np.float32]:
        """Softmax of the logits, float32 (classes,)."""
        return np.asarray(softmax(self.logits), np.float32)

    def skipped(self, target: int | None) -> bool:
        """There is nothing to attack: it is misclassified already, or of the target class."""
        return int(self.logits.argmax()) != self.label or target == self.label
