"""One image under attack: puts a search's questions, remembers answers, looks for hits."""

from __future__ import annotations

import time
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from ndcore.attacks.config import AttackConfig
from ndcore.attacks.engines.grid import Grid
from ndcore.attacks.engines.search import Candidates, Problem, Search
from ndcore.attacks.grid_map import VulnerabilityMap
from ndcore.attacks.result import AttackResult
from ndcore.attacks.task import Task
from ndcore.data.pixels import paint
from ndcore.networks.evaluator import SAFETY, Evaluator, Query

CHUNK = 64  # candidates between two looks at hits and budget
GRID_CHUNK = 256  # of an engine that keeps a map, which asks for the whole grid anyway
CALIBRATION = 24  # first candidates of an image that are computed in both precisions


class Hunt:
    """The attack on one image, driven from outside.

    In turn: `ask` gives new candidates; `screen` takes their logits; `unsettled` names those
    that must be computed in float32 and `settle` takes these, until none is left; `judge` looks
    for a hit and lets the search go on.

    Args:
        task: the image.
        config: what to do.
        evaluator: of the model.
    """

    def __init__(self, task: Task, config: AttackConfig, evaluator: Evaluator) -> None:
        self.index, self.id, self.config = task.index, task.id, config
        image, label = task.image, task.label
        target = config.target
        self.problem = Problem(
            image,
            label,
            target,
            config.pixels,
            evaluator.order,
            lambda base: evaluator.gradient(base, label, target),
            config.grid,
        )
        self.budget = config.budget(image.shape)
        self.queries = self.forwards = 0
        self.stopped = False
        self.history: list[tuple[int, float]] = []
        self._started = time.monotonic()
        self._evaluator = evaluator
        self._task = task
        self._first_hit: int | None = None
        # The hit kept so far and its logits in a plain float32 pass.
        self._hit: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None
        self._hit_rank = np.inf
        # The nearest miss is none that is farther off than the untouched image.
        self._untouched = float(self.problem.misses(task.logits[None])[0])
        self._miss: NDArray[np.uint8] | None = None
        self._miss_by = self._untouched
        self._found_by = config.engine
        label_of_interest = label if config.target is None else config.target
        self.best_confidence = float(task.probabilities[label_of_interest])
        self._band = evaluator.band
        self._calibrated = evaluator.precision == "float32"
        self._memory: dict[tuple[int, bytes, bytes], tuple[NDArray[np.float32], bool]] = {}
        self._bases: dict[bytes, int] = {}
        self._grid: _Known | None = None
        if any(engine.keeps_map for engine in config.engines):
            self._grid = _Known(config.grid, image.shape, len(task.logits))
        self.skipped = task.skipped(config.target)
        # Open questions: engines to come, the running search, its candidates.
        self._engines = [] if self.skipped else config.engines
        self._engine = config.engines[0]
        self._search: Search | None = None
        self.asked: Candidates | None = None
        self._advance(None)
        # The latest question, also when there is no next one.
        self.last: Candidates | None = self.asked

    # -- the question at hand

    def _advance(self, answer: NDArray[np.float32] | None) -> None:
        """Let the search, or the next engine, put its next question."""
        self._from = 0
        self._answers: list[NDArray[np.float32]] = []
        while True:
            try:
                if self._search is None:
                    if not self._engines:
                        self.asked = None
                        return
                    # Each engine has the stream that it would have alone.
                    seed = [self.config.seed, zlib.crc32(self.id.encode())]
                    self._engine = self._engines.pop(0)
                    assert self._engine.search is not None
                    self._search = self._engine.search(self.problem, np.random.default_rng(seed))
                    answer = None
                self.asked = next(self._search) if answer is None else self._search.send(answer)
                return
            except StopIteration:
                self._search = None

    @property
    def done(self) -> bool:
        """Nothing more is asked, allowed or needed."""
        if self.stopped or self.asked is None or self.queries >= self.budget:
            return True
        if self._hit is None or self._engine.keeps_map:
            return False
        enough = self._engine.enough
        # Such an engine's generations are whole.
        return enough is None or (self._from == 0 and enough(self.problem, self.best_confidence))

    def ask(self) -> Query:
        """The candidates of the next chunk whose answer is not remembered."""
        asked = self.asked
        assert asked is not None
        self.last = asked
        size = GRID_CHUNK if self._engine.keeps_map else CHUNK
        size = min(size, len(asked.positions) - self._from, self.budget - self.queries)
        part = slice(self._from, self._from + size)
        self._chunk = Query(asked.base, asked.positions[part], asked.colours[part])
        base = self._bases.setdefault(asked.base.tobytes(), len(self._bases))
        self._keys = [
            (base, position.tobytes(), colour.tobytes())
            for position, colour in zip(self._chunk.positions, self._chunk.colours, strict=True)
        ]
        new: dict[tuple[int, bytes, bytes], int] = {}  # a repeat within the chunk is asked once
        for i, key in enumerate(self._keys):
            if key not in self._memory:
                new.setdefault(key, i)
        self._new_keys = list(new)
        members = list(new.values())
        self._new = Query(asked.base, self._chunk.positions[members], self._chunk.colours[members])
        return self._new

    def screen(self, logits: NDArray[np.float32]) -> None:
        """Take the logits (P, classes) of the candidates of `ask`."""
        self._logits = logits.copy()
        self._exact = np.full(len(logits), self._evaluator.precision == "float32")

    def unsettled(self) -> Query | None:
        """Candidates of `ask` for float32: flips, and those whose two best classes are too near."""
        if self._exact.all():
            return None
        top = np.partition(self._logits, -2, axis=1)
        doubt = top[:, -1] - top[:, -2] < self._band
        doubt |= self._logits.argmax(1) != self._task.label
        if not self._calibrated:
            doubt[:CALIBRATION] = True
        self._doubt = np.flatnonzero(doubt & ~self._exact)
        if not len(self._doubt):
            return None
        new = self._new
        return Query(new.base, new.positions[self._doubt], new.colours[self._doubt])

    def settle(self, logits: NDArray[np.float32]) -> None:
        """Take the float32 logits of the candidates of `unsettled`."""
        error = float(np.abs(logits - self._logits[self._doubt]).max())
        self._band = max(self._band, SAFETY * error)
        self._calibrated = True
        self._logits[self._doubt] = logits
        self._exact[self._doubt] = True

    # -- the answer

    def judge(self) -> None:
        """Remember the answers, look for hits, and go on."""
        asked = self.asked
        assert asked is not None
        for key, row, exact in zip(self._new_keys, self._logits, self._exact, strict=True):
            self._memory[key] = (row, bool(exact))
        known = [self._memory[key] for key in self._keys]
        logits = np.array([row for row, _ in known], np.float32)
        if self._grid is not None and self._engine.keeps_map and not self._keys[0][0]:
            self._grid.fill(self._chunk, logits, np.array([exact for _, exact in known]))
        self._look_for_hits(logits)
        self.queries += len(logits)
        self.forwards += len(self._new_keys)
        confidence = self.problem.confidence(logits)
        best = confidence.min() if self.problem.target is None else confidence.max()
        better = min if self.problem.target is None else max
        self.best_confidence = better(self.best_confidence, float(best))
        self._answers.append(logits)
        self._from += len(logits)
        whole = self._from >= len(asked.positions)
        if whole or self._hit is not None or self.queries >= self.budget:
            self.history.append((self.queries, self.best_confidence))
        if whole:
            self._advance(np.concatenate(self._answers))

    def _look_for_hits(self, logits: NDArray[np.float32]) -> None:
        problem = self.problem
        flips = problem.flips(logits)
        # The clearest flip is kept; where the engine goes by confidence, the most confident one.
        sign = 1 if problem.target is None else -1
        by_confidence = self._engine.enough is not None
        ranks = sign * problem.confidence(logits) if by_confidence else problem.margins(logits)
        for i in np.lexsort((ranks, ~flips)):
            if not flips[i] or ranks[i] >= self._hit_rank:
                break
            image = self._painted(int(i))
            plain = self._evaluator.plain(image[None])  # what anyone else would see
            if problem.flips(plain)[0]:
                if self._first_hit is None:
                    self._first_hit = self.queries + int(np.flatnonzero(flips)[0]) + 1
                self._hit, self._hit_rank = (image, plain[0]), float(ranks[i])
                self._found_by = self._engine.name
                return
        misses = np.where(flips, np.inf, problem.misses(logits))
        nearest = int(misses.argmin())
        if misses[nearest] < self._miss_by:
            self._miss, self._miss_by = self._painted(nearest), float(misses[nearest])

    def _painted(self, i: int) -> NDArray[np.uint8]:
        """The image of candidate `i` of the chunk."""
        chunk = self._chunk
        painted = paint(chunk.base, chunk.positions[i][None], chunk.colours[i][None])
        return np.asarray(painted[0])

    def look(self) -> dict[str, Any]:
        """What the search is doing, see `AttackProgress`."""
        assert self.last is not None
        return {
            "stage": self.last.stage,
            "best_confidence": self.best_confidence,
            "history": tuple(self.history),
            "candidates": self.last.positions[:, 0],
            "lowest": None if self._grid is None else self._grid.map(self._task.label).lowest,
        }

    @property
    def succeeded(self) -> bool:
        """A verified hit was found."""
        return self._hit is not None

    @property
    def nearest(self) -> NDArray[np.uint8] | None:
        """The nearest miss where that is what came of it; None where nothing tried came nearer."""
        return None if self._hit else self._miss

    def result(self, plain: NDArray[np.float32] | None = None) -> AttackResult:
        """What came of it; `plain`: logits (classes,) of `nearest`, where they are known."""
        task = self._task
        attacked, logits = self._hit or self._nearest_miss(plain)
        return AttackResult.of(
            task.image,
            attacked,
            task.probabilities,
            np.asarray(softmax(logits), np.float32),
            id=self.id,
            true=task.label,
            success=self.succeeded,
            stopped=self.stopped,
            skipped=self.skipped,
            queries=self.queries,
            first_hit=self._first_hit,
            forwards=self.forwards,
            found_by=self._found_by,
            precision=self._evaluator.precision,
            seconds=time.monotonic() - self._started,
            history=tuple(self.history),
            config=self.config,
            map=self._grid.map(task.label) if self._grid and self._grid.begun else None,
        )

    def _nearest_miss(
        self, plain: NDArray[np.float32] | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """With its logits in a plain float32 pass; the untouched image where none is nearer."""
        if self._miss is not None:
            plain = self._evaluator.plain(self._miss[None])[0] if plain is None else plain
            if self.problem.misses(plain[None])[0] < self._untouched:  # not in the screen alone
                return self._miss, plain
        return self._task.image, self._task.logits


class _Known:
    """Logits of the grid, as far as they are known."""

    def __init__(self, grid: Grid, shape: tuple[int, ...], classes: int) -> None:
        height, width, channels = shape
        self._grid, self._colours = grid, grid.colours(channels)
        size = (height, width, len(self._colours))
        self._logits = np.full((*size, classes), np.nan, np.float32)
        self._confirmed = np.zeros(size, bool)
        self.begun = False

    def fill(self, chunk: Query, logits: NDArray[np.float32], exact: NDArray[np.bool_]) -> None:
        rows, cols = chunk.positions[:, 0].T
        colours = self._grid.index(chunk.colours[:, 0])
        self._logits[rows, cols, colours] = logits
        self._confirmed[rows, cols, colours] = exact
        self.begun = True

    def map(self, true: int) -> VulnerabilityMap:
        every = self._grid.every
        return VulnerabilityMap(true, self._colours, self._logits, self._confirmed, every)
