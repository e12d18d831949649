from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ndcore.attacks.adaptive import (
    Flips,
    RepairTable,
    all_flips,
    at_places,
    decoy,
    least_divergent,
    log_odds,
    stealthy_de,
)
from ndcore.attacks.engines.inconspicuous import inconspicuous, neighbour_box
from ndcore.attacks.engines.search import Candidates
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.detectors.repair import repair
from ndcore.networks.evaluator import Evaluator, evaluator_for
from tests.decisive_pixel import OneDecisivePixel

DARK = np.full((8, 8, 3), 40, np.uint8)


@pytest.fixture
def evaluator() -> Evaluator:
    return Evaluator(OneDecisivePixel(5, 2).eval(), (8, 8, 3))


@pytest.fixture
def flips(evaluator: Evaluator) -> Flips:
    return all_flips(evaluator, DARK, 0, "dark", max_queries=600)


def test_every_flip_of_a_search_is_kept(flips: Flips) -> None:
    assert len(flips) == 4  # the decisive pixel with each of the four corners that are red
    assert (flips.positions[:, 0] == [5, 2]).all()
    assert (flips.colours[:, 0, 0] == 255).all()
    assert (flips.logits.argmax(1) == 1).all()
    assert flips.first_hit is not None
    assert flips.first_hit <= flips.queries <= 600


def test_nothing_flips(evaluator: Evaluator) -> None:
    none = all_flips(evaluator, DARK, 0, "dark", inconspicuous, max_queries=600)
    assert not len(none)
    table = RepairTable(evaluator, DARK)
    for hidden in (
        least_divergent(evaluator, DARK, 0, none, lambda images, _: np.zeros(len(images)), table),
        decoy(evaluator, DARK, 0, none, lambda images, _: np.zeros(len(images))),
    ):
        assert not hidden.success
        assert np.isnan(hidden.score)


@pytest.mark.spec("DD-7")
def test_the_least_suspicious_of_those_shown_is_submitted(
    evaluator: Evaluator, flips: Flips
) -> None:
    shown: list[np.ndarray] = []

    def judge(images: np.ndarray, positions: np.ndarray) -> np.ndarray:
        assert (positions == [5, 2]).all()
        shown.append(images)
        return -images[:, 5, 2].astype(float).sum(1)  # minds dark changes most

    hidden = least_divergent(evaluator, DARK, 0, flips, judge, RepairTable(evaluator, DARK), 4)
    assert hidden.judged == len(shown[0]) == 4
    assert hidden.attacked is not None
    assert hidden.attacked[5, 2].tolist() == [255, 255, 255]
    assert hidden.queries == flips.queries + 4


def test_a_decoy_needs_two_pixels_and_there_is_one(evaluator: Evaluator, flips: Flips) -> None:
    assert not decoy(evaluator, DARK, 0, flips, lambda images, _: np.zeros(len(images))).success


class _EitherPixel(OneDecisivePixel):
    """Class 1 wins as soon as one of two pixels is bright."""

    def forward(self, images: Tensor) -> Tensor:
        brightest = torch.maximum(images[:, 0, 5, 2], images[:, 0, 1, 6])
        value = self.scale * (brightest - 0.5)
        return torch.stack([-value, value], dim=1)


@pytest.mark.spec("CE-7")
@pytest.mark.parametrize("chosen", [False, True])
def test_a_decoy_changes_two_pixels_that_flip_alone(chosen: bool) -> None:
    evaluator = Evaluator(_EitherPixel(5, 2).eval(), (8, 8, 3))
    flips = all_flips(evaluator, DARK, 0, "dark", max_queries=600)
    shown: list[np.ndarray] = []

    def judge(images: np.ndarray, positions: np.ndarray) -> np.ndarray:
        shown.append(positions)
        return -images.astype(float).sum((1, 2, 3))

    hidden = decoy(evaluator, DARK, 0, flips, judge, 4, chosen=chosen)
    assert hidden.attacked is not None
    assert hidden.positions is not None
    assert sorted(hidden.positions.tolist()) == [[1, 6], [5, 2]]
    assert evaluator.plain(hidden.attacked[None])[0].argmax() == 1
    assert shown[0].shape == (hidden.judged, 2, 2)
    assert hidden.queries >= flips.queries + hidden.judged + (1 if chosen else 0)


def test_a_search_of_a_few_pixels_leaves_the_others(evaluator: Evaluator) -> None:
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 255, 0]], np.uint8)
    none = all_flips(evaluator, DARK, 0, "x", at_places(np.array([[0, 0], [1, 1]]), colours))
    assert len(none) == 0
    assert none.queries == 6
    found = all_flips(evaluator, DARK, 0, "x", at_places(np.array([[1, 1], [5, 2]]), colours))
    assert found.positions.tolist() == [[[5, 2]]]
    assert found.colours.tolist() == [[[255, 0, 0]]]


def test_what_the_table_says_is_what_the_repair_does(digits_bundle: Bundle) -> None:
    evaluator = evaluator_for(digits_bundle.model, digits_bundle.shape)
    image = open_source("digits").pixels([5])[0]
    positions = np.array([[[2, 3]], [[6, 4]], [[0, 0]]])
    colours = np.array([[[16]], [[255]], [[128]]], np.uint8)
    logits = evaluator.confirm(image, positions, colours)
    table = RepairTable(evaluator, image)
    drops, turns = table.own_drop(positions, logits), table.own_turn(positions, logits)
    for i, (row, col) in enumerate(positions[:, 0]):
        changed = image.copy()
        changed[row, col] = colours[i, 0]
        found = repair(evaluator, changed[None])
        assert drops[i] == pytest.approx(found.drop[0, row, col], abs=0.1)
        largest = found.drop[0].max() - found.log_odds[0] / 2
        assert turns[i] <= largest + 0.1


def test_log_odds_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]]))
    assert log_odds(logits, np.array([0, 2])) == pytest.approx([0, np.log(1.5)])


@pytest.mark.spec("DD-7")
def test_evolution_hides_once_it_has_flipped(evaluator: Evaluator) -> None:
    seen: list[int] = []

    def suspicion(question: Candidates, logits: np.ndarray) -> np.ndarray:
        seen.append(len(logits))
        # Red just above one half goes unnoticed, full red does not.
        return np.maximum(question.colours[:, 0, 0].astype(float) - 140, 0)

    image = np.full((8, 8, 3), 120, np.uint8)
    found = all_flips(evaluator, image, 0, "x", stealthy_de(suspicion), max_queries=12_000)
    assert len(found)
    assert sum(seen) >= found.queries - 400
    assert found.colours[-20:, 0, 0].min() < 160


def test_colours_stay_within_the_neighbours(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (6, 7, 3), dtype=np.uint8)
    low, high = neighbour_box(image)
    around = np.delete(image[1:4, 2:5].reshape(9, 3), 4, 0)
    assert (low[2, 3] == around.min(0)).all()
    assert (high[2, 3] == around.max(0)).all()
    corner = np.stack([image[0, 1], image[1, 0], image[1, 1]])
    assert (low[0, 0] == corner.min(0)).all()
