from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from ndcore.errors import StoppedError
from ndcore.networks.evaluator import Evaluator, Query
from ndcore.networks.forward import forward
from ndcore.networks.registry import build_model
from ndcore.networks.stoppable import ask, stoppable, until_stopped
from ndcore.networks.way import SLOTS


def after(questions: int) -> tuple[Callable[[], bool], list[int]]:
    """A stop at this question, and the questions that were put."""
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) >= questions

    return stop, asked


def query(number: int, count: int = 20) -> Query:
    rng = np.random.default_rng(number)
    base = rng.integers(0, 256, (8, 8, 1)).astype(np.uint8)
    positions = rng.integers(0, 8, (count, 1, 2))
    return Query(base, positions, rng.integers(0, 256, (count, 1, 1)).astype(np.uint8))


def test_one_batch_is_asked_about_in_every_layer_and_stays_the_same() -> None:
    model = build_model("cifar10-vgg16").eval()
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)
    stop, asked = after(10**9)
    with stoppable(stop):
        found = forward(model, images)
    assert len(asked) >= len([m for m in model.modules() if not list(m.children())])
    assert torch.equal(found, forward(model, images))
    stop, asked = after(9)
    with pytest.raises(StoppedError, match="so far"), stoppable(stop, "kept so far"):
        forward(model, images)
    assert len(asked) == 9
    forward(model, images)
    assert len(asked) == 9


def test_other_threads_are_not_stopped_and_nobody_asks_where_nobody_can() -> None:
    seen = []
    with stoppable(lambda: True):
        other = threading.Thread(target=lambda: seen.append(float(torch.ones(3).sum())))
        other.start()
        other.join()
    assert seen == [3.0]
    with stoppable(None):
        ask()
    ask()


def test_blocks_in_blocks_ask_all_of_them() -> None:
    with pytest.raises(StoppedError), stoppable(lambda: True), stoppable(lambda: False):
        ask()
    reached = []
    with until_stopped(lambda: True):
        ask()
        reached.append(1)
    assert reached == []
    # A stop from further out does not end here.
    with pytest.raises(StoppedError), stoppable(lambda: True), until_stopped(lambda: False):
        ask()


def test_who_waits_for_another_threads_passes_hears_a_stop() -> None:
    evaluator = Evaluator(build_model("digits-cnn").eval(), (8, 8, 1), "float32")
    stop, asked = after(4)
    evaluator._lock.acquire()
    try:
        with pytest.raises(StoppedError), stoppable(stop):
            evaluator.run([query(0)])
    finally:
        evaluator._lock.release()
    assert len(asked) == 4


def test_a_stop_while_an_image_is_prepared_spoils_no_other() -> None:
    evaluator = Evaluator(build_model("digits-cnn").eval(), (8, 8, 1), "float32")
    queries = [query(number) for number in range(SLOTS["cpu"] + 2)]
    wanted = [evaluator.run([each])[0] for each in queries]
    for questions in range(1, 40, 3):
        stop, _ = after(questions)
        with until_stopped(stop):
            evaluator.run([queries[questions % len(queries)]])
        for each, logits in zip(queries, wanted, strict=True):
            assert np.array_equal(evaluator.run([each])[0], logits)
