"""(Image, changed pixels) -> logits: the one place where a search meets the model.

One-pixel changes of a convolutional network are computed only where they can be seen
(`incremental`), exactly; any other model or change runs on whole images. Where the processor is
fast at bfloat16 a search may be screened in it, and whatever lies near a decision is computed
again in float32.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ndcore.data.pixels import paint
from ndcore.errors import StoppedError
from ndcore.networks.forward import device_of, forward
from ndcore.networks.incremental.folding import fold_batch_norm
from ndcore.networks.incremental.tracing import traced
from ndcore.networks.steepest import gradient_of
from ndcore.networks.stoppable import ask
from ndcore.networks.way import SLOTS, Way, fast_bfloat16
from ndcore.steps import ASK_EVERY_S, in_parts

TOLERANCE = 1e-4  # of float32 logits against the plain model, per unit of logit
TRIALS = 64  # changes in the self-test
LARGE = 128 * 128  # pixels
BLUR = 0.25  # largest error of a useful screen, as a share of the changes' effect
# Seconds from the last question until an evaluator may go. A float32 one has weights of its own
# and serves proofs, which take longer than to make it again; a search begins with one at once.
KEPT_S = {"auto": 1800.0, "float32": 120.0}
SAFETY = 4.0  # a screened gap is trusted if it is this many times the largest error seen


@dataclass(frozen=True)
class Query:
    """Changes of one image.

    Attributes:
        base: uint8 (H, W, C).
        positions: int64 (P, k, 2) row and col.
        colours: uint8 (P, k, C).
    """

    base: NDArray[np.uint8]
    positions: NDArray[np.int64]
    colours: NDArray[np.uint8]


class Evaluator:
    """Logits of changed images, as fast as this machine can give them.

    Args:
        model: in eval mode, on its device; not changed.
        shape: (H, W, C) of the images.
        precision: "auto" or "float32" (see `AttackConfig`).

    Attributes:
        precision: what `run` computes in, "float32" or "bfloat16".
        incremental: whether one-pixel changes run on windows.
        error: largest |logit difference| of the screen against float32 in the self-test.
        asked: when it was last asked, by the monotonic clock.
    """

    def __init__(self, model: nn.Module, shape: Sequence[int], precision: str = "auto") -> None:
        self._model = model
        self._device = device_of(model)
        self._lock = threading.Lock()  # kept maps are shared by all who ask
        self.error, self.asked = 0.0, time.monotonic()
        self._sample = _trial(shape).base[None]
        self._told = self.plain(self._sample)
        weighs = next(model.parameters(), None) is not None  # else nothing is faster in bfloat16
        if precision == "auto" and weighs and fast_bfloat16(self._device):
            # Float32 only confirms, so it shares the model's weights: memory before speed.
            self._screen = self._exact = Way(traced(model), shape, self._device, own=False)
            self._self_test(shape)
            if self._try_screen(shape):
                return
        self._screen = self._exact = Way(fold_batch_norm(model), shape, self._device, own=True)
        self._self_test(shape)

    @property
    def classes(self) -> int:
        """How many the model tells apart."""
        return int(self._told.shape[1])

    @property
    def precision(self) -> str:
        """What `run` computes in."""
        return "float32" if self._screen is self._exact else "bfloat16"

    @property
    def incremental(self) -> bool:
        """Whether one-pixel changes run on windows."""
        return self._exact.windows is not None

    def left(self, positions: NDArray[np.int64]) -> float:
        """Multiplications left for one-pixel changes at positions (P, 2), as a share of all."""
        windows = self._exact.windows
        return 1.0 if windows is None else windows.left(torch.from_numpy(positions))

    @property
    def largest(self) -> int:
        """Candidates in one pass, at most."""
        return self._screen.largest

    @property
    def slots(self) -> int:
        """Images that can be searched side by side."""
        return SLOTS.get(self._device.type, SLOTS["cpu"])

    @property
    def band(self) -> float:
        """Gaps between two logits that a screened answer does not settle."""
        return SAFETY * self.error

    def order(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Order (P,) of positions (P, 2) in which they are computed fastest."""
        if self._exact.windows is None:
            return np.arange(len(positions))
        return np.asarray(self._exact.windows.order(torch.from_numpy(positions)).numpy())

    def evaluate(
        self,
        base: NDArray[np.uint8],
        positions: NDArray[np.int64],
        colours: NDArray[np.uint8],
    ) -> NDArray[np.float32]:
        """Logits (P, classes) of changes of one image, in `precision`; see `run`."""
        return self.run([Query(base, positions, colours)])[0]

    def confirm(
        self,
        base: NDArray[np.uint8],
        positions: NDArray[np.int64],
        colours: NDArray[np.uint8],
    ) -> NDArray[np.float32]:
        """The same in float32."""
        return self.run([Query(base, positions, colours)], exact=True)[0]

    def run(self, queries: Sequence[Query], exact: bool = False) -> list[NDArray[np.float32]]:
        """Logits (P, classes) of every query; images share the batches.

        Args:
            queries: of at most `slots` different images; one may hold no change at all.
            exact: in float32, whatever `precision` says.
        """
        self.asked = time.monotonic()
        way = self._exact if exact else self._screen
        nothing = np.empty((0, self.classes), np.float32)
        answers = [None if len(query.positions) else nothing for query in queries]
        single = [
            i
            for i, query in enumerate(queries)
            if way.windows is not None
            and query.positions.shape[1] == 1
            and len(query.positions) > 0
        ]
        if single:
            with _held(self._lock):
                found = self._windows(way, [queries[i] for i in single])
            for i, logits in zip(single, found, strict=True):
                answers[i] = logits
        for i, query in enumerate(queries):
            if answers[i] is None:
                parts = [
                    way.whole(paint(query.base, query.positions[part], query.colours[part]))
                    for part in in_parts(len(query.positions), way.most_whole)
                ]
                answers[i] = torch.cat(parts).cpu().numpy()
        return [np.asarray(answer, np.float32) for answer in answers]

    def _windows(self, way: Way, queries: Sequence[Query]) -> list[NDArray[np.float32]]:
        assert way.windows is not None
        slots = torch.cat(
            [torch.full((len(query.positions),), way.slot(query.base)) for query in queries]
        )
        positions = torch.from_numpy(np.concatenate([query.positions[:, 0] for query in queries]))
        colours = np.concatenate([query.colours[:, 0] for query in queries])
        # As `to_images` does it, so that equal pixels give equal floats.
        values = torch.from_numpy(colours).to(torch.float32).div_(255)
        parts = [
            way.windows.logits(slots[part], positions[part], values[part])
            for part in in_parts(len(slots), way.largest)
        ]
        found = torch.cat(parts).cpu().numpy()
        ends = np.cumsum([len(query.positions) for query in queries])[:-1]
        return list(np.split(found, ends))

    def whole(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits (n, classes) of whole images (n, H, W, C) in float32, within `TOLERANCE`."""
        way = self._exact
        parts = [way.whole(images[part]) for part in in_parts(len(images), way.most_whole)]
        return torch.cat(parts).cpu().numpy() if parts else np.empty((0, self.classes), np.float32)

    def plain(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Logits (n, classes) of whole images (n, H, W, C) in the model itself, in float32."""
        return np.asarray(forward(self._model, images).float().cpu().numpy())

    def gradient(
        self, image: NDArray[np.uint8], true: int, target: int | None
    ) -> NDArray[np.float32]:
        """How the margin of an attack changes with each value of an image, per 8-bit step.

        Args:
            image: uint8 (H, W, C).
            true, target: classes; the margin is that of `Problem.margins`.

        Returns:
            float32 (H, W, C).

        Raises:
            BadRequestError: the model gives no gradient.
        """
        label, sign = (true, 1) if target is None else (target, -1)

        def margin(logits: Tensor) -> Tensor:
            others = torch.cat([logits[:label], logits[label + 1 :]])
            return sign * (logits[label] - others.max())

        return gradient_of(self._model, image, margin)

    def is_current(self) -> bool:
        """Whether the model still answers an image as it did when this was made."""
        found = self.plain(self._sample)
        allowed = TOLERANCE * max(1.0, float(np.abs(self._told).max()))
        return bool(np.allclose(found, self._told, rtol=0, atol=allowed, equal_nan=True))

    def _self_test(self, shape: Sequence[int]) -> None:
        """Windows must give what the plain model gives, at corners and borders too."""
        query = _trial(shape)
        plain = self.plain(paint(query.base, query.positions, query.colours))
        allowed = TOLERANCE * max(1.0, float(np.abs(plain).max()))
        if not self._windows_agree(query, plain, allowed):
            self._exact.windows = None
            folded = self.confirm(query.base, query.positions, query.colours)
            if not np.abs(folded - plain).max() <= allowed:
                self._exact.model = self._model

    def _windows_agree(self, query: Query, plain: NDArray[np.float32], allowed: float) -> bool:
        try:
            found = self.confirm(query.base, query.positions, query.colours)
        except StoppedError:
            raise
        except Exception:  # whatever foreign code raises that is shown a part of a map
            return False
        return bool(np.abs(found - plain).max() <= allowed)

    def _try_screen(self, shape: Sequence[int]) -> bool:
        query = _trial(shape)
        exact = self.confirm(query.base, query.positions, query.colours)
        try:
            folded = fold_batch_norm(self._model, torch.bfloat16)
            self._screen = Way(folded, shape, self._device, own=True)
            if not self.incremental:
                self._screen.windows = None
            found = self.evaluate(query.base, query.positions, query.colours)
        except RuntimeError:  # an operator without a bfloat16 kernel
            return False
        self.error = float(np.abs(found - exact).max())
        # A screen that blurs what the changes do to the logits would lead a search astray.
        if np.std(found - exact) < BLUR * np.std(exact - exact.mean(0)):
            return True
        self.error = 0.0
        return False


# Per model and precision: a search and a proof do not make each other's again.
_EVALUATORS: weakref.WeakKeyDictionary[nn.Module, dict[str, tuple[object, Evaluator]]] = (
    weakref.WeakKeyDictionary()
)


def evaluator_for(model: nn.Module, shape: Sequence[int], precision: str = "auto") -> Evaluator:
    """The evaluator of a model, made once and again when the model, or the question, changes.

    Weights are told by the sum of their bits, as a write through `.data` leaves no other trace,
    and what is no weight, such as a temperature, by the model's answer.
    """
    state = tuple(
        (tensor.data_ptr(), _checksum(tensor.detach().cpu()))
        for tensor in model.state_dict(keep_vars=True).values()
    )
    question, kept = (tuple(shape), state), _EVALUATORS.setdefault(model, {})
    known, evaluator = kept.get(precision, (None, None))
    if evaluator is None or known != question or not evaluator.is_current():
        evaluator = Evaluator(model, shape, precision)
        kept[precision] = (question, evaluator)
    evaluator.asked = time.monotonic()
    return evaluator


def let_go() -> int:
    """Forget the evaluators that nobody has asked for `KEPT_S`; returns how many.

    Who has one keeps it; who wants it later waits until it is made again.
    """
    gone, now = 0, time.monotonic()
    for kept in list(_EVALUATORS.values()):
        for precision, (_, evaluator) in list(kept.items()):
            if now - evaluator.asked > KEPT_S[precision]:
                gone += kept.pop(precision, None) is not None
    return gone


@contextmanager
def _held(lock: threading.Lock) -> Iterator[None]:
    """Hold a lock; who waits for it hears Stop."""
    while not lock.acquire(timeout=ASK_EVERY_S):
        ask()
    try:
        yield
    finally:
        lock.release()


def _checksum(values: Tensor) -> float:
    if values.dtype == torch.float32:  # numpy adds integers several times faster than torch
        return int(values.numpy().view(np.int32).sum(dtype=np.int64))
    return float(values.double().sum())


def _trial(shape: Sequence[int]) -> Query:
    """Random changes of a random image at all corners, along the borders and inside.

    Half as many on large images, of which plain passes take seconds.
    """
    height, width, channels = shape
    count = TRIALS if height * width <= LARGE else TRIALS // 2
    rng = np.random.default_rng(0)
    rows, cols = (
        np.array([0, 1, height // 2, height - 2, height - 1]),
        np.array([0, 1, width // 2, width - 2, width - 1]),
    )
    grid = np.stack(np.meshgrid(rows, cols, indexing="ij"), -1).reshape(-1, 2)
    inside = rng.integers(0, (height, width), (count - len(grid), 2))
    positions = np.clip(np.concatenate([grid, inside]), 0, (height - 1, width - 1))
    base = rng.integers(0, 256, (height, width, channels)).astype(np.uint8)
    colours = rng.integers(0, 2, (len(positions), channels)) * 255
    return Query(base, positions[:, None].astype(np.int64), colours[:, None].astype(np.uint8))
