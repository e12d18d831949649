"""What a study is to look at, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from ndcore.detectors.scoring.reference import PER_CLASS
from ndcore.errors import BadRequestError
from ndcore.study.adversaries import ADVERSARIES
from ndcore.study.image_sets import FAMILIES

KINDS_OF_ATTACK = {kind.name: kind for kind in (*FAMILIES, *ADVERSARIES)}


@dataclass(frozen=True)
class StudyConfig:
    """What to study.

    Attributes:
        attacks: names of families (`image_sets.FAMILIES`) and of attackers who know the
            detector (`adversaries.ADVERSARIES`); None for all.
        n: use no more than this many benign evaluation images, attack no more than this many per
            family, and take calibration and dev images in proportion; None for all.
        repairs: also run the leave-one-pixel-out repair, the slow part.
        per_class: reference images of each class.
        seed: of draws, searches and bootstraps.

    Raises:
        BadRequestError: a value is out of range.
    """

    attacks: tuple[str, ...] | None = None
    n: int | None = None
    repairs: bool = True
    per_class: int = PER_CLASS
    seed: int = 0

    def __post_init__(self) -> None:
        for name in self.attacks or ():
            if name not in KINDS_OF_ATTACK:
                known = ", ".join(KINDS_OF_ATTACK)
                raise BadRequestError(f"unknown attack '{name}': choose {known}")
        if self.n is not None and self.n < 1:
            raise BadRequestError(f"n must be at least 1, got {self.n}")
        if self.per_class < 1:
            raise BadRequestError(f"per-class must be at least 1, got {self.per_class}")
