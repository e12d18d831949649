"""What an attack is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ndcore.errors import BadRequestError

__all__ = ["ADAPTIVE", "COMPARISONS", "ENGINES", "FALLBACKS", "AttackConfig"]

ENGINES = {
    "fast": "Best-first search over corner colours: few queries, finds nearly all that "
    "`exhaustive` finds",
    "exhaustive": "Every pixel with each of the 8 corner colours: the complete map of that grid",
    "de": "Differential evolution as in Su, Vargas & Sakurai 2019: 400 candidates, "
    "at most 100 generations",
}
# White-box attacks that change every pixel a little; there to be compared with.
COMPARISONS = {
    "fgsm": "Fast gradient sign method (Goodfellow et al. 2015), bounded by epsilon",
    "pgd": "Projected gradient descent (Madry et al. 2018), bounded by epsilon",
    "deepfool": "DeepFool L2 (Moosavi-Dezfooli et al. 2016), smallest change it finds",
    "cw": "Carlini & Wagner L2 (2017), smallest change it finds",
}
# Searches that try to escape a detector.
ADAPTIVE = {
    "inconspicuous": "Best-first search like `fast`, each colour within the range of the pixel's "
    "eight neighbours",
}
FALLBACKS = ("", "exhaustive", "de")
PRECISIONS = ("auto", "float32")
MOST_PIXELS = 5
STAGE_QUERIES = 800  # of `fast`, per pixel
DE_QUERIES = 40_400


@dataclass(frozen=True)
class AttackConfig:
    """Threat model: black box (probabilities), at most `pixels` pixels of any 8-bit colour.

    Attributes:
        engine: a key of `ENGINES`, `ADAPTIVE` or `COMPARISONS`; the last see gradients and ignore
            `pixels` and `max_queries`.
        pixels: L0 budget, 1 to 5.
        target: class to reach, or None to leave the true class.
        max_queries: images sent through the model, at most, per attacked image; None for what
            the engine needs (`budget`).
        seed: of the search; each image has its own stream made of this seed and its id.
        then: engine that goes on where `fast` found nothing: "", "exhaustive" or "de".
        precision: "auto" screens candidates in bfloat16 where the processor is fast at it and
            confirms them in float32; "float32" never does.
        epsilon: largest change of any value by `fgsm` and `pgd`, in 8-bit steps.

    Raises:
        BadRequestError: a value is out of range.
    """

    engine: str = "fast"
    pixels: int = 1
    target: int | None = None
    max_queries: int | None = None
    seed: int = 0
    then: str = ""
    precision: str = "auto"
    epsilon: int = 8

    def __post_init__(self) -> None:
        known = (*ENGINES, *ADAPTIVE, *COMPARISONS)
        if self.engine not in known:
            raise BadRequestError(f"unknown engine '{self.engine}': choose {', '.join(known)}")
        if not 1 <= self.pixels <= MOST_PIXELS:
            raise BadRequestError(f"pixels must be 1 to {MOST_PIXELS}, got {self.pixels}")
        if self.max_queries is not None and self.max_queries < 1:
            raise BadRequestError(f"max-queries must be at least 1, got {self.max_queries}")
        if self.seed < 0:
            raise BadRequestError(f"seed must not be negative, got {self.seed}")
        if self.then not in FALLBACKS:
            raise BadRequestError(f"then must be exhaustive or de, got '{self.then}'")
        if self.then and self.engine != "fast":
            raise BadRequestError("only the engine fast can be followed by another")
        if self.precision not in PRECISIONS:
            raise BadRequestError(f"precision must be auto or float32, got '{self.precision}'")
        if not 1 <= self.epsilon <= 255:
            raise BadRequestError(f"epsilon must be 1 to 255 8-bit steps, got {self.epsilon}")

    @property
    def searches(self) -> bool:
        """Whether the engine searches for pixels (else it follows gradients)."""
        return self.engine in ENGINES or self.engine in ADAPTIVE

    def budget(self, shape: Sequence[int]) -> int:
        """Queries allowed per image of shape (H, W, C)."""
        if self.max_queries is not None:
            return self.max_queries
        height, width, channels = shape
        needs: dict[str, int] = {
            "fast": STAGE_QUERIES * self.pixels,
            "inconspicuous": STAGE_QUERIES * self.pixels,
            "exhaustive": height * width * int(2**channels) * self.pixels,
            "de": DE_QUERIES,
        }
        return needs.get(self.engine, 0) + (needs[self.then] if self.then else 0)
