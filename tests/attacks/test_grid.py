"""The grid of `exhaustive`, whole or an even choice of it."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest

from ndcore.attacks import AttackConfig, attack_images
from ndcore.attacks.engines.grid import Grid
from ndcore.attacks.engines.search import corner_colours
from ndcore.attacks.estimate import expected_seconds
from ndcore.bundles.bundle import Bundle
from ndcore.cli import main
from ndcore.errors import BadRequestError
from ndcore.networks.evaluator import Evaluator
from tests.decisive_pixel import OneDecisivePixel

GREY = np.full((16, 16, 3), 100, np.uint8)


@pytest.mark.parametrize(("levels", "channels"), [(2, 3), (3, 3), (5, 1), (16, 3)])
def test_colours_and_their_numbers(levels: int, channels: int) -> None:
    grid = Grid(levels=levels)
    colours = grid.colours(channels)
    ladder = np.rint(np.linspace(0, 255, levels)).astype(int)
    expected = {tuple(each) for each in product(ladder.tolist(), repeat=channels)}
    assert {tuple(colour) for colour in colours.tolist()} == expected
    assert np.array_equal(grid.index(colours), np.arange(levels**channels))


def test_two_levels_are_the_corners() -> None:
    assert np.array_equal(Grid().colours(3), corner_colours(3))


@pytest.mark.parametrize(("every", "rows", "cols"), [(1, 5, 7), (2, 2, 3), (4, 1, 2), (99, 1, 1)])
def test_every_so_manieth_row_and_column(every: int, rows: int, cols: int) -> None:
    grid, shape = Grid(every), (5, 7, 1)
    points = grid.points(shape)
    assert len(points) == grid.count(shape) == rows * cols * 2
    assert (len(set(points[:, 0])), len(set(points[:, 1]))) == (rows, cols)
    assert set(np.diff(np.unique(points[:, 1]))) <= {every}


def test_a_choice_of_the_grid_is_a_complete_map_of_that_choice() -> None:
    config = AttackConfig("exhaustive", every=4, levels=3)
    found = attack_images(OneDecisivePixel(6, 10), GREY[None], [0], ["a"], config)[0]
    assert found.success
    assert found.queries == config.budget(GREY.shape) == 4 * 4 * 27
    assert found.map is not None
    assert found.map.complete
    assert found.map.vulnerable_share == 1 / 16
    assert np.argwhere(found.map.flips_to == 1).tolist() == [[6, 10]]
    tried = np.argwhere(found.map.evaluated.all(-1))
    assert {tuple(place) for place in tried.tolist()} == set(product((2, 6, 10, 14), repeat=2))
    missed = attack_images(OneDecisivePixel(5, 10), GREY[None], [0], ["a"], config)[0]
    assert not missed.success
    stopped = AttackConfig("exhaustive", every=4, max_queries=20)
    begun = attack_images(OneDecisivePixel(5, 10), GREY[None], [0], ["a"], stopped)[0]
    assert begun.map is not None
    assert not begun.map.complete


def test_what_a_grid_will_take_is_known_before() -> None:
    evaluator = Evaluator(OneDecisivePixel(5, 10).eval(), GREY.shape, "float32")
    whole = expected_seconds(evaluator, AttackConfig("exhaustive"), GREY)
    one = expected_seconds(evaluator, AttackConfig("exhaustive", every=16), GREY)
    assert whole > one > 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"every": 0}, "every must be at least 1"),
        ({"levels": 1}, "levels must be 2 to 16"),
        ({"engine": "fast", "every": 2}, "fast has no grid"),
    ],
)
def test_what_is_no_grid_is_refused(options: dict[str, object], told: str) -> None:
    with pytest.raises(BadRequestError, match=told):
        AttackConfig(**{"engine": "exhaustive", **options})


def test_the_command_line_tells_it_before_it_begins(
    digits_bundle: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--bundle", digits_bundle.name, "--source", "digits", "--n", "2", "--json", "-"]
    assert main(["attack", "--engine", "exhaustive", "--every", "4", *asked]) == 0
    out, told = capsys.readouterr()
    assert "2 images, a grid of 8 points: about " in told
    assert json.loads(out)["budget"] == 8
    assert main(["attack", "--every", "2", *asked]) == 2
    assert "fast has no grid" in capsys.readouterr().err
