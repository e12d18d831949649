from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from ndcore.attacks import (
    AttackConfig,
    PixelChange,
    apply_changes,
    attack_images,
    changes_between,
    summarise,
)
from ndcore.attacks.de import POPULATION, SCALE, _children, differential_evolution
from ndcore.attacks.evaluator import Evaluator, paint
from ndcore.bundle import Bundle
from ndcore.data import open_source
from ndcore.errors import BadRequestError
from ndcore.images import encode_png
from tests.conftest import OneDecisivePixel

GREY = np.full((16, 16, 3), 100, np.uint8)


def attack(model: torch.nn.Module, image: np.ndarray = GREY, **options: object):
    config = AttackConfig(**{"max_queries": 4000, **options})
    return attack_images(model, image[None], [0], ["a"], config)[0]


def test_the_one_decisive_pixel_is_found() -> None:
    result = attack(OneDecisivePixel(5, 9))
    assert result.success
    assert [(change.row, change.col) for change in result.pixels] == [(5, 9)]
    assert result.pixels[0].after[0] >= 128
    assert (result.benign != result.attacked).any(-1).sum() == 1
    assert (result.predicted_before, result.predicted_after) == (0, 1)
    assert result.queries <= 4000


def test_a_success_survives_png_and_flips_in_a_plain_pass(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    members = list(range(60))
    results = attack_images(
        digits_bundle.model,
        source.pixels(members),
        source.labels[members],
        [source.ids[i] for i in members],
        AttackConfig(max_queries=800),
    )
    won = [result for result in results if result.success]
    assert won
    for result in won:
        saved = np.asarray(Image.open(io.BytesIO(encode_png(result.attacked))))[..., None]
        assert np.array_equal(saved, result.attacked)
        assert (saved != result.benign).any(-1).sum() == 1
        images = torch.from_numpy(saved.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            logits = digits_bundle.model(images)[0].numpy()
        assert logits.argmax() == result.predicted_after != result.true
        assert softmax(logits).max() == pytest.approx(result.confidence_after, abs=1e-5)
    summary = summarise(results)
    assert summary["succeeded"] == len(won)
    assert summary["ci95"][0] < summary["success_rate"] < summary["ci95"][1]


def test_same_seed_same_pixel_alone_or_in_a_batch(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    config = AttackConfig(max_queries=800, seed=7)

    def run(members: list[int]) -> dict[str, tuple[PixelChange, ...]]:
        ids = [source.ids[i] for i in members]
        found = attack_images(
            digits_bundle.model, source.pixels(members), source.labels[members], ids, config
        )
        return {result.id: result.pixels for result in found}

    together = run([3, 4, 5, 6])
    assert run([5])["digits:5"] == together["digits:5"]
    assert run([6, 3]) == {name: together[name] for name in ("digits:6", "digits:3")}


class Targets(torch.nn.Module):
    """Class 1 wins where red is high at (2, 2), class 2 where green is; else class 0."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.tensor(10.0))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        red, green = images[:, 0, 2, 2], images[:, 1, 2, 2]
        base = torch.full_like(red, 0.6)
        return self.scale * torch.stack([base, red, green], 1)


def test_a_targeted_success_is_the_target_and_not_any_flip() -> None:
    result = attack(Targets(), target=2, pixels=1)
    assert result.success
    assert result.predicted_after == 2
    # A flip to another class than the target is no success.
    unreachable = attack(OneDecisivePixel(1, 1), GREY, target=0)
    assert unreachable.skipped
    assert not unreachable.success
    with pytest.raises(BadRequestError, match="target 7"):
        attack(Targets(), target=7)


def test_a_failure_says_so_and_keeps_the_nearest_miss() -> None:
    class Immovable(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.bias = torch.nn.Parameter(torch.tensor(5.0))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            value = images.mean((1, 2, 3))
            return torch.stack([self.bias + 0 * value, value], 1)

    result = attack(Immovable(), max_queries=900)
    assert not result.success
    assert result.queries == 900
    assert len(result.pixels) == 1
    assert result.predicted_after == 0
    assert sum(result.pixels[0].after) > 600  # brightest is nearest


def test_misclassified_images_are_not_attacked() -> None:
    config = AttackConfig(max_queries=500)
    result = attack_images(OneDecisivePixel(0, 0), GREY[None], [1], ["a"], config)[0]
    assert result.skipped
    assert result.queries == 0
    summary = summarise([result])
    assert summary["attacked"] == 0
    assert summary["success_rate"] is None


def test_budget_is_exact_and_a_stop_is_honoured() -> None:
    class Never(OneDecisivePixel):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            self.seen = getattr(self, "seen", 0) + len(images)
            return super().forward(images * 0)

    model = Never(0, 0)
    result = attack(model, max_queries=1003)
    assert result.queries == 1003
    assert model.seen - result.queries <= 3  # before, after and nothing else
    calls = []

    def stop() -> bool:
        calls.append(1)
        return len(calls) > 3

    config = AttackConfig(max_queries=40_000)
    result = attack_images(Never(0, 0), GREY[None], [0], ["a"], config, should_stop=stop)[0]
    assert result.stopped
    assert result.queries <= 3 * 128


def test_progress_is_reported_each_generation() -> None:
    seen = []
    config = AttackConfig(max_queries=1200)
    model = OneDecisivePixel(3, 3)
    model.scale.data.zero_()
    attack_images(model, GREY[None], [0], ["a"], config, on_progress=seen.append)
    assert [progress.generation for progress in seen] == [0, 1, 2]
    assert [progress.queries for progress in seen] == [400, 800, 1200]
    assert seen[-1].candidates.shape == (400, 2)
    assert len(seen[-1].history) == 3


def test_children_are_x1_plus_half_the_difference_of_two_others() -> None:
    rng = np.random.default_rng(3)
    population = np.cumsum(rng.random((POPULATION, 1)), axis=0) ** 1.7
    picks = np.random.default_rng(11).random((POPULATION, POPULATION - 1))
    picks = picks.argpartition(2, axis=1)[:, :3]
    picks += picks >= np.arange(POPULATION)[:, None]
    assert (picks != np.arange(POPULATION)[:, None]).all()
    assert all(len(set(row)) == 3 for row in picks.tolist())
    first, second, third = (population[picks[:, i]] for i in range(3))
    children = _children(np.random.default_rng(11), population)
    assert np.allclose(children, first + SCALE * (second - third))


def test_a_child_replaces_its_own_parent_only_if_fitter() -> None:
    model = OneDecisivePixel(3, 3)
    model.scale.data.fill_(1e-3)  # a slope to climb, but never a flip below 128
    image = GREY.copy()
    seen: list[np.ndarray] = []

    class Recorder(Evaluator):
        def logits(self, images: np.ndarray) -> np.ndarray:
            seen.append(images[:, 3, 3, 0].copy())
            return super().logits(images)

    evaluator = Recorder(model, image, 2000)
    search = differential_evolution(
        evaluator, 1, None, 1, np.random.default_rng(0), is_adversarial=lambda *_: False
    )
    best = [value for _, value in search.history]
    assert best == sorted(best, reverse=True)
    assert evaluator.queries == 2000


@pytest.mark.parametrize("pixels", [1, 3, 5])
def test_never_more_pixels_than_asked(pixels: int) -> None:
    model = OneDecisivePixel(5, 9)
    result = attack(model, pixels=pixels)
    assert result.success
    assert 1 <= len(result.pixels) <= pixels


def test_paint_changes_and_back() -> None:
    positions = np.array([[[1, 2]], [[3, 4]]])
    colours = np.array([[[9, 8, 7]], [[1, 2, 3]]], np.uint8)
    images = paint(GREY, positions, colours)
    assert images.shape == (2, 16, 16, 3)
    change = changes_between(GREY, images[0])
    assert change == (PixelChange(1, 2, (100, 100, 100), (9, 8, 7)),)
    assert np.array_equal(apply_changes(GREY, change), images[0])
    with pytest.raises(BadRequestError, match="outside"):
        apply_changes(GREY, [replace(change[0], row=16)])
    with pytest.raises(BadRequestError, match="3 values"):
        apply_changes(GREY, [replace(change[0], after=(1,))])


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"engine": "magic"}, "magic"),
        ({"pixels": 0}, "got 0"),
        ({"pixels": 6}, "got 6"),
        ({"max_queries": 0}, "got 0"),
        ({"seed": -1}, "got -1|negative"),
    ],
)
def test_nonsense_is_refused(options: dict, match: str) -> None:
    with pytest.raises(BadRequestError, match=match):
        AttackConfig(**options)
