"""Many images side by side: their candidates share batches, finished images leave.

A search depends on nothing but the answers about its own image, so an image ends with the same
pixel alone or among hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ndcore.attacks.config import AttackConfig
from ndcore.attacks.one_image import Hunt
from ndcore.attacks.result import AttackResult
from ndcore.attacks.task import Task
from ndcore.attacks.watch import Watch
from ndcore.networks.evaluator import Evaluator
from ndcore.networks.stoppable import until_stopped


def search_all(
    evaluator: Evaluator, tasks: Sequence[Task], config: AttackConfig, watch: Watch
) -> list[AttackResult]:
    """Attack all images; see `ndcore.attacks.attack_images`."""
    waiting = (Hunt(task, config, evaluator) for task in tasks)
    active: list[Hunt] = []
    while not watch.stopped:
        while len(active) < evaluator.slots and (begun := next(waiting, None)) is not None:
            if begun.done:
                watch.ended(begun.index, begun.result())
            else:
                active.append(begun)
        if not active:
            break
        served: list[Hunt] = []
        with until_stopped(watch.should_stop):
            served = _serve(evaluator, active)
        for hunt in served:
            hunt.judge()
        watch.look(active)
        for hunt in [hunt for hunt in active if hunt.done]:
            active.remove(hunt)
            watch.ended(hunt.index, hunt.result())
    for hunt, plain in zip(active, _looked_at_again(evaluator, active), strict=True):
        hunt.stopped = True
        watch.ended(hunt.index, hunt.result(plain))
    return watch.in_order


def _looked_at_again(evaluator: Evaluator, stopped: list[Hunt]) -> list[NDArray[np.float32] | None]:
    """Logits (classes,) of the nearest misses in one plain float32 pass; None where none is."""
    missed = [hunt.nearest for hunt in stopped if hunt.nearest is not None]
    found = iter(evaluator.plain(np.stack(missed)) if missed else ())
    return [None if hunt.nearest is None else next(found) for hunt in stopped]


def _serve(evaluator: Evaluator, active: list[Hunt]) -> list[Hunt]:
    """One batch: the next candidates of as many images as fit, the first ones first.

    Returns:
        The images whose candidates now have their logits.

    Raises:
        StoppedError: the batch is as if it had not been asked.
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
    for hunt, logits in zip(served, evaluator.run(queries), strict=True):
        hunt.screen(logits)
    while True:
        doubts = [(hunt, hunt.unsettled()) for hunt in served]
        open_ = [(hunt, query) for hunt, query in doubts if query is not None]
        if not open_:
            return served
        answers = evaluator.run([query for _, query in open_], exact=True)
        for (hunt, _), logits in zip(open_, answers, strict=True):
            hunt.settle(logits)
