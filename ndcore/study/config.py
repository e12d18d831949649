"""What a study is to look at, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from ndcore.detectors.scoring.reference import PER_CLASS
from ndcore.errors import BadRequestError
from ndcore.study.measured.adversaries import ADVERSARIES, Adversary
from ndcore.study.measured.image_sets import FAMILIES, Family

# Looked at, at most: benign images of each split, images of each kind of harmless noise, and images
# that one pixel breaks, on which the attackers are tested. Attacks are made from all evaluation
# images.
MOST = {"dev": 400, "calibration": 1300, "evaluation": 800, "control": 40, "self-test": 20}
SHARES = {"dev": 2, "calibration": 4}  # of these per evaluation image where fewer are asked for
KINDS_OF_ATTACK = {kind.name: kind for kind in (*FAMILIES, *ADVERSARIES)}


def pixels_of(kind: Family | Adversary) -> int:
    """How many pixels a kind of attack changes; 0 for all of them."""
    if isinstance(kind, Adversary):
        return kind.pixels
    return kind.config.pixels if kind.config.searches else 0


@dataclass(frozen=True)
class StudyConfig:
    """What to study.

    Attributes:
        attacks: names of families (`measured.image_sets.FAMILIES`) and of attackers who know the
            detector (`measured.adversaries.ADVERSARIES`); None for all.
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


def amounts(config: StudyConfig) -> dict[str, int]:
    """How many images of each key of `MOST` a study looks at, at most."""
    n = config.n
    return {
        part: most if n is None else min(SHARES.get(part, 1) * n, most)
        for part, most in MOST.items()
    }
