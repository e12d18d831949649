"""What an attack is asked to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ndcore.attacks.engines import ENGINES, Engine
from ndcore.attacks.engines.grid import Grid
from ndcore.errors import BadRequestError

PRECISIONS = ("auto", "float32")
MOST_PIXELS = 5
MOST_LEVELS = 16


@dataclass(frozen=True)
class AttackConfig:
    """Threat model: black box (probabilities), at most `pixels` pixels of any 8-bit colour.

    Attributes:
        engine: a key of `ENGINES`; those without a search ignore `pixels` and `max_queries`.
        pixels: L0 budget, 1 to 5.
        target: class to reach, or None to leave the true class.
        max_queries: images sent through the model, at most, per attacked image; None for what
            the engine needs (`budget`).
        seed: of the search; each image has its own stream made of this seed and its id.
        then: engine that goes on where `fast` found nothing: one that `follows`, or "".
        precision: "auto" screens candidates in bfloat16 where the processor is fast at it and
            confirms them in float32; "float32" never does.
        epsilon: largest change of any value by `fgsm` and `pgd`, in 8-bit steps.
        every: `exhaustive` tries every so-manieth row and column.
        levels: of each channel, 2 to 16, that `exhaustive` tries; 2 are the corner colours.

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
    every: int = 1
    levels: int = 2

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise BadRequestError(f"unknown engine '{self.engine}': choose {', '.join(ENGINES)}")
        if not 1 <= self.pixels <= MOST_PIXELS:
            raise BadRequestError(f"pixels must be 1 to {MOST_PIXELS}, got {self.pixels}")
        if self.max_queries is not None and self.max_queries < 1:
            raise BadRequestError(f"max-queries must be at least 1, got {self.max_queries}")
        if self.seed < 0:
            raise BadRequestError(f"seed must not be negative, got {self.seed}")
        followers = [engine.name for engine in ENGINES.values() if engine.follows]
        if self.then and self.then not in followers:
            raise BadRequestError(f"then must be {' or '.join(followers)}, got '{self.then}'")
        if self.then and not ENGINES[self.engine].is_followed:
            followed = [engine.name for engine in ENGINES.values() if engine.is_followed]
            raise BadRequestError(
                f"only the engine {' or '.join(followed)} can be followed by another"
            )
        if self.precision not in PRECISIONS:
            raise BadRequestError(f"precision must be auto or float32, got '{self.precision}'")
        if not 1 <= self.epsilon <= 255:
            raise BadRequestError(f"epsilon must be 1 to 255 8-bit steps, got {self.epsilon}")
        self._require_grid()

    def _require_grid(self) -> None:
        if self.every < 1:
            raise BadRequestError(f"every must be at least 1, got {self.every}")
        if not 2 <= self.levels <= MOST_LEVELS:
            raise BadRequestError(f"levels must be 2 to {MOST_LEVELS}, got {self.levels}")
        if self.grid != Grid() and not any(engine.keeps_map for engine in self.engines):
            raise BadRequestError(f"{self.engine} has no grid: every and levels are of exhaustive")

    @property
    def searches(self) -> bool:
        """Whether the engine searches for pixels (else it follows gradients)."""
        return ENGINES[self.engine].search is not None

    @property
    def grid(self) -> Grid:
        """What `exhaustive` tries."""
        return Grid(self.every, self.levels)

    @property
    def engines(self) -> list[Engine]:
        """The engine, and the one that goes on after it where there is one."""
        return [ENGINES[name] for name in (self.engine, self.then) if name]

    def budget(self, shape: Sequence[int]) -> int:
        """Queries allowed per image of shape (H, W, C)."""
        if self.max_queries is not None:
            return self.max_queries
        return sum(
            self.grid.count(shape) * self.pixels
            if engine.keeps_map
            else engine.needs(shape, self.pixels)
            for engine in self.engines
        )
