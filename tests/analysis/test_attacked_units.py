"""What attacks exploit on a network whose circuit is known, and what holding it does."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from ndcore.analysis.mechanism.attacked_units import (
    COUNTS,
    DRAWS,
    return_sentence,
    return_test,
)
from ndcore.concept_graph.differing import difference, exploited
from ndcore.concept_graph.graph import GRADIENT, Unit
from ndcore.concept_graph.measured import measured
from ndcore.concept_graph.sums import Watched, class_sums
from ndcore.errors import BadRequestError
from tests.analysis.by_hand import SIDE, by_hand

ATTACKS = 12
Pixels = NDArray[np.uint8]


@pytest.fixture
def pairs() -> tuple[Pixels, Pixels]:
    """Images without red, and the same with ever more of it."""
    benign = np.random.default_rng(0).integers(1, 60, (ATTACKS, SIDE, SIDE, 3), np.uint8)
    attacked = benign.copy()
    attacked[..., 0] = 180 + 5 * np.arange(ATTACKS)[:, None, None]
    return benign, attacked


def named(benign: Pixels, attacked: Pixels) -> list[Unit]:
    """By the difference of the graphs of a network without a bundle."""
    of = by_hand()

    def graph(pixels: Pixels) -> object:
        watched = Watched.of(of.model, of.layers, pixels[:2])
        members = range(len(pixels))
        return measured(watched, class_sums(watched, lambda some: pixels[list(some)], members, 1))

    return exploited(difference(("attacked", graph(attacked)), ("before", graph(benign)), GRADIENT))


@pytest.mark.spec("CG-7")
def test_what_the_attack_exploits_brings_the_label_back_and_random_units_do_not(
    pairs: tuple[Pixels, Pixels],
) -> None:
    told: list[tuple[int, int]] = []
    test = return_test(by_hand(), named, pairs, (0, 1), on_pass=lambda *at: told.append(at))
    assert test.images == ATTACKS
    for units in test.units:
        assert set(units) == {Unit("spots", 0), Unit("hidden", 0)}  # and no output
    assert [step.units for step in test.steps] == [1, 2]
    for step in test.steps:
        assert step.back.all()
        assert not step.random.any()
        assert step.gap == (1.0, (1.0, 1.0))
    total = 2 * len(COUNTS) * (1 + DRAWS)
    assert told[-1] == (total, total)
    words = return_sentence(test, ("dark", "red", "none"))
    assert words.startswith("12 attacks that turned dark into red")
    assert "which is not clearly more" not in words
    assert test.to_dict()["steps"][0]["back"]["n"] == ATTACKS


def test_units_that_do_not_carry_the_attack_bring_nothing_back(
    pairs: tuple[Pixels, Pixels],
) -> None:
    idle = [Unit("spots", 4), Unit("hidden", 3)]
    test = return_test(by_hand(), lambda *_: idle, pairs, (0, 1))
    assert not test.steps[0].back.any()
    assert test.steps[0].gap[0] <= 0
    assert "which is not clearly more" in return_sentence(test, ("dark", "red", "none"))
    with pytest.raises(BadRequestError, match="2 stored attacks are too few"):
        return_test(by_hand(), lambda *_: idle, (pairs[0][:2], pairs[1][:2]), (0, 1))


def test_each_half_is_judged_by_units_that_the_other_half_named(
    pairs: tuple[Pixels, Pixels],
) -> None:
    seen: list[set[int]] = []

    def spy(benign: Pixels, attacked: Pixels) -> list[Unit]:
        seen.append({int(image[0, 0, 0]) for image in attacked})
        return [Unit("hidden", 0)]

    return_test(by_hand(), spy, pairs, (0, 1))
    reds = pairs[1][:, 0, 0, 0].tolist()
    assert seen == [set(reds[1::2]), set(reds[0::2])]
