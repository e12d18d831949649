"""Attacks: run an engine on images, verify each success in plain float32, keep honest failures."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from torch import nn

from ndcore.attacks.de import GENERATIONS, Search, differential_evolution
from ndcore.attacks.evaluator import Evaluator, paint
from ndcore.attacks.result import (
    ENGINES,
    AttackConfig,
    AttackProgress,
    AttackResult,
    PixelChange,
    apply_changes,
    changes_between,
    summarise,
)
from ndcore.errors import BadRequestError

__all__ = [
    "ENGINES",
    "AttackConfig",
    "AttackProgress",
    "AttackResult",
    "PixelChange",
    "apply_changes",
    "attack_images",
    "changes_between",
    "summarise",
]


def attack_images(
    model: nn.Module,
    pixels: NDArray[np.uint8],
    labels: Sequence[int] | NDArray[np.integer],
    ids: Sequence[str],
    config: AttackConfig,
    *,
    on_progress: Callable[[AttackProgress], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> list[AttackResult]:
    """Attack images one after another.

    Args:
        model: in eval mode, returns logits; not changed.
        pixels: uint8 (N, H, W, C).
        labels: (N,) true classes.
        ids: (N,) names; an image's random stream depends on the seed and its id alone.
        config: what to do.
        on_progress: called after each generation.
        should_stop: asked before every batch of at most 64 queries; what was found is kept and
            later images are left out.

    Returns:
        One result per image reached. Images that the model gets wrong are not attacked
        (`skipped`).

    Raises:
        BadRequestError: the target is no class of the model.
    """
    results: list[AttackResult] = []
    for index, (image, label, image_id) in enumerate(zip(pixels, labels, ids, strict=True)):
        if should_stop and should_stop():
            break
        report = _reporter(index, len(pixels), image_id, config, on_progress)
        results.append(_attack_one(model, image, int(label), image_id, config, report, should_stop))
    return results


Reporter = Callable[[Evaluator, Search, NDArray[np.int64]], None]


def _reporter(
    index: int,
    images: int,
    image_id: str,
    config: AttackConfig,
    on_progress: Callable[[AttackProgress], None] | None,
) -> Reporter | None:
    if on_progress is None:
        return None

    def report(evaluator: Evaluator, search: Search, candidates: NDArray[np.int64]) -> None:
        on_progress(
            AttackProgress(
                index=index,
                images=images,
                id=image_id,
                generation=search.generation,
                generations=GENERATIONS,
                queries=evaluator.queries,
                max_queries=config.max_queries,
                best_confidence=search.history[-1][1],
                history=search.history,
                candidates=candidates,
            )
        )

    return report


def _attack_one(
    model: nn.Module,
    image: NDArray[np.uint8],
    label: int,
    image_id: str,
    config: AttackConfig,
    report: Reporter | None,
    should_stop: Callable[[], bool] | None,
) -> AttackResult:
    started = time.monotonic()
    evaluator = Evaluator(model, image, config.max_queries, should_stop)

    def plain(candidate: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities in a float32 pass of this image alone: what anyone else would see."""
        return np.asarray(softmax(evaluator.logits(candidate[None])[0]), np.float32)

    def wins(candidate: NDArray[np.uint8]) -> bool:
        predicted = int(plain(candidate).argmax())
        return predicted == config.target if config.target is not None else predicted != label

    before = plain(image)
    if config.target is not None and not 0 <= config.target < len(before):
        raise BadRequestError(f"target {config.target} is no class: use 0 to {len(before) - 1}")
    skipped = int(before.argmax()) != label or config.target == label
    attacked, search = image, None
    if not skipped:
        stream = np.random.default_rng([config.seed, zlib.crc32(image_id.encode())])
        search = differential_evolution(
            evaluator,
            label,
            config.target,
            config.pixels,
            stream,
            (lambda state, where: report(evaluator, state, where)) if report else None,
            lambda where, colours: wins(paint(image, where[None], colours[None])[0]),
        )
        if np.isfinite(search.margin):
            attacked = paint(image, search.positions[None], search.colours[None])[0]
    after = plain(attacked)
    return AttackResult(
        id=image_id,
        true=label,
        predicted_before=int(before.argmax()),
        predicted_after=int(after.argmax()),
        success=bool(search and search.hit),
        stopped=evaluator.stopped,
        skipped=skipped,
        pixels=changes_between(image, attacked),
        confidence_before=float(before.max()),
        confidence_after=float(after.max()),
        probabilities_before=before,
        probabilities_after=after,
        benign=image,
        attacked=attacked,
        queries=evaluator.queries,
        seconds=time.monotonic() - started,
        history=search.history if search else (),
        config=config,
    )
