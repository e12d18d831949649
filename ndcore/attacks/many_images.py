"""Many images side by side: their candidates share batches, finished images leave.

A search depends on nothing but the answers about its own image, so an image ends with the same
pixel alone or among hundreds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.config import AttackConfig
from ndcore.attacks.one_image import Hunt
from ndcore.attacks.result import AttackProgress, AttackResult
from ndcore.errors import StoppedError
from ndcore.networks.evaluator import Evaluator
from ndcore.steps import ShouldStop, is_stopped


def search_all(
    evaluator: Evaluator,
    pixels: NDArray[np.uint8],
    labels: Sequence[int] | NDArray[np.integer],
    ids: Sequence[str],
    config: AttackConfig,
    on_progress: Callable[[AttackProgress], None] | None,
    on_result: Callable[[int, AttackResult], None] | None,
    should_stop: ShouldStop,
) -> list[AttackResult]:
    """Attack all images; see `ndcore.attacks.attack_images`."""
    results: dict[int, AttackResult] = {}
    waiting = (
        Hunt(index, image, int(labels[index]), ids[index], config, evaluator)
        for index, image in enumerate(pixels)
        if not is_stopped(should_stop)
    )
    active: list[Hunt] = []

    def finish(hunt: Hunt) -> None:
        results[hunt.index] = hunt.result()
        if on_result:
            on_result(hunt.index, results[hunt.index])

    while not is_stopped(should_stop):
        while len(active) < evaluator.slots and (begun := next(waiting, None)) is not None:
            if begun.done:
                finish(begun)
            else:
                active.append(begun)
        if not active:
            break
        with suppress(StoppedError):
            _serve(evaluator, active, should_stop)
        if on_progress:
            shown = min(active, key=lambda hunt: hunt.index)
            on_progress(_look(shown, len(pixels), results, active))
        for hunt in [hunt for hunt in active if hunt.done]:
            active.remove(hunt)
            finish(hunt)
    for hunt in active:
        hunt.stopped = True
        finish(hunt)
    return [results[index] for index in sorted(results)]


def _serve(evaluator: Evaluator, active: list[Hunt], should_stop: ShouldStop) -> None:
    """One batch: the next candidates of as many images as fit, the first ones first.

    Raises:
        StoppedError: `should_stop` said so; the batch is as if it had not been asked.
    """
    served: list[Hunt] = []
    queries = []
    size = 0
    for hunt in active:
        query = hunt.ask()
        if served and size + len(query.positions) > evaluator.largest:
            break
        size += len(query.positions)
        served.append(hunt)
        queries.append(query)
    for hunt, logits in zip(served, evaluator.run(queries, False, should_stop), strict=True):
        hunt.screen(logits)
    while True:
        doubts = [(hunt, hunt.unsettled()) for hunt in served]
        open_ = [(hunt, query) for hunt, query in doubts if query is not None]
        if not open_:
            break
        answers = evaluator.run([query for _, query in open_], True, should_stop)
        for (hunt, _), logits in zip(open_, answers, strict=True):
            hunt.settle(logits)
    for hunt in served:
        hunt.judge()


def _look(
    hunt: Hunt, images: int, results: dict[int, AttackResult], active: list[Hunt]
) -> AttackProgress:
    finished = results.values()
    assert hunt.last is not None
    return AttackProgress(
        images=images,
        done=len(results),
        succeeded=sum(result.success for result in finished),
        total_queries=sum(result.queries for result in finished)
        + sum(other.queries for other in active),
        index=hunt.index,
        id=hunt.id,
        stage=hunt.last.stage,
        queries=hunt.queries,
        max_queries=hunt.budget,
        best_confidence=hunt.best_confidence,
        history=tuple(hunt.history),
        candidates=hunt.last.positions[:, 0],
        lowest=hunt.lowest(),
        active=tuple((other.index, other.queries / max(1, other.budget)) for other in active),
    )
