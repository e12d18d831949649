from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import softmax

from ndcore.attacks import (
    ENGINES,
    AttackConfig,
    AttackProgress,
    PixelChange,
    apply_changes,
    attack_images,
    changes_between,
    summarise,
)
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.decode import encode_png
from ndcore.data.pixels import paint
from ndcore.errors import BadRequestError
from tests.decisive_pixel import OneDecisivePixel

GREY = np.full((16, 16, 3), 100, np.uint8)
SEARCHES = [engine.name for engine in ENGINES.values() if engine.search and not engine.evades]


class Never(OneDecisivePixel):
    """Never fooled; counts the images it sees."""

    seen = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        return super().forward(images * 0)


def attack(model: torch.nn.Module, image: np.ndarray = GREY, **options: object):
    config = AttackConfig(**{"engine": "de", "max_queries": 4000, **options})
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
        AttackConfig(engine="de", max_queries=800),
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


@pytest.mark.spec("AL-14")
@pytest.mark.parametrize("engine", SEARCHES)
def test_same_seed_same_pixel_alone_or_in_a_batch(digits_bundle: Bundle, engine: str) -> None:
    source = open_source("digits")
    config = AttackConfig(engine, max_queries=800, seed=7)

    def run(members: list[int]) -> dict[str, tuple]:
        ids = [source.ids[i] for i in members]
        found = attack_images(
            digits_bundle.model, source.pixels(members), source.labels[members], ids, config
        )
        return {row.id: (row.pixels, row.queries, row.first_hit, row.history) for row in found}

    together = run(list(range(40)))
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


@pytest.mark.spec("AL-4")
@pytest.mark.parametrize("engine", SEARCHES)
def test_a_targeted_success_is_the_target_and_not_any_flip(engine: str) -> None:
    # One point of a flat landscape gives `fast` no hints.
    then = "exhaustive" if engine == "fast" else ""
    result = attack(Targets(), target=2, engine=engine, then=then)
    assert result.success
    assert result.predicted_after == 2

    class RedOnly(Targets):
        """Flips to class 1 easily and to class 2 never."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            return torch.cat([logits[:, :2], logits[:, 2:] * 0], 1)

    assert attack(RedOnly(), engine=engine, then=then).success
    missed = attack(RedOnly(), target=2, engine=engine, then=then)
    assert not missed.success  # "predicted is not true" would call the flip to 1 a success
    assert not missed.skipped


def test_a_target_must_be_a_class_and_another_one() -> None:
    # A flip to another class than the target is no success.
    unreachable = attack(OneDecisivePixel(1, 1), GREY, target=0)
    assert unreachable.skipped
    assert not unreachable.success
    with pytest.raises(BadRequestError, match="target 7"):
        attack(Targets(), target=7)


@pytest.mark.spec("AL-7")
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
    config = AttackConfig("de", max_queries=500)
    result = attack_images(OneDecisivePixel(0, 0), GREY[None], [1], ["a"], config)[0]
    assert result.skipped
    assert result.queries == 0
    summary = summarise([result])
    assert summary["attacked"] == 0
    assert summary["success_rate"] is None


@pytest.mark.spec("AL-5")
def test_budget_is_exact() -> None:
    result = attack(Never(0, 0), max_queries=1003)
    assert result.queries == 1003
    assert not result.success
    assert result.first_hit is None


def test_a_repeat_counts_but_is_not_computed_again() -> None:
    # Differential evolution on a flat landscape clips many colours to the same corners.
    model = Never(0, 0)
    image = GREY[:2, :2]
    result = attack(model, image, max_queries=2000)
    assert result.queries == 2000
    assert result.forwards < 2000
    # Besides the candidates: the self-test, before, after and the number of classes.
    assert model.seen < result.forwards + 200


@pytest.mark.spec("AL-6")
def test_a_stop_keeps_what_was_found_and_leaves_the_rest_out() -> None:
    looks: list[AttackProgress] = []
    images = np.stack([GREY] * 40)
    ids = [str(i) for i in range(40)]
    config = AttackConfig("de")
    found = attack_images(
        Never(0, 0),
        images,
        [0] * 40,
        ids,
        config,
        on_progress=looks.append,
        should_stop=lambda: len(looks) == 5,
    )
    assert 0 < len(found) < 40
    assert all(result.stopped for result in found)
    assert sum(result.queries for result in found) == looks[-1].total_queries <= 5 * 256
    assert [result.id for result in found] == ids[: len(found)]
    # Those that were begun and never put to the model are no failures.
    tried = [result for result in found if result.queries]
    assert 0 < len(tried) < len(found)
    assert {result.outcome for result in found} == {"stopped", "never tried"}
    assert summarise(found)["attacked"] == len(tried)


@pytest.mark.spec("AL-14")
def test_progress_and_results_come_as_they_are_made() -> None:
    looks, ends = [], []
    model = OneDecisivePixel(3, 3)
    images, labels = np.stack([GREY, GREY, GREY]), [0, 1, 0]
    found = attack_images(
        model,
        images,
        labels,
        ["a", "b", "c"],
        AttackConfig("de", max_queries=1200),
        on_progress=looks.append,
        on_result=lambda index, result: ends.append((index, result.id)),
    )
    assert sorted(ends) == [(0, "a"), (1, "b"), (2, "c")]
    assert [index for index, _ in looks[0].active] == [0, 2]
    assert all(0 < share <= 1 for look in looks for _, share in look.active)
    assert ends[0] == (1, "b")  # misclassified, so it ends at once
    assert [result.skipped for result in found] == [False, True, False]
    assert looks[0].images == 3
    assert looks[0].candidates.shape == (400, 2)
    assert "generation 0" in looks[0].stage
    totals = [look.total_queries for look in looks]
    assert totals == sorted(totals)
    assert all(look.queries <= look.max_queries == 1200 for look in looks)


@pytest.mark.spec("AL-3")
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
        ({"then": "magic"}, "magic"),
        ({"engine": "de", "then": "exhaustive"}, "only the engine fast or gradient"),
        ({"precision": "int8"}, "int8"),
        ({"epsilon": 0}, "got 0"),
    ],
)
def test_nonsense_is_refused(options: dict, match: str) -> None:
    with pytest.raises(BadRequestError, match=match):
        AttackConfig(**options)


class Counted(torch.nn.Module):
    """Never leaves class 0, but bright images come nearer to it; counts the images it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = torch.nn.Parameter(torch.tensor(5.0))
        self.seen = 0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen += len(images)
        value = images.mean((1, 2, 3))
        return torch.stack([self.bias + 0 * value, value], 1)


@pytest.mark.parametrize("engine", ["fast", "pgd"])
def test_no_image_is_predicted_twice(engine: str) -> None:
    seen = []
    for count in (1, 9):
        model = Counted().eval()
        images, ids = np.stack([GREY] * count), [str(i) for i in range(count)]
        found = attack_images(model, images, [1] * count, ids, AttackConfig(engine))
        assert all(result.skipped for result in found)
        seen.append(model.seen)
    assert seen[1] - seen[0] == 8


def test_after_a_stop_only_what_was_found_is_looked_at_again() -> None:
    model, calls = Counted().eval(), []

    def stop() -> bool:
        calls.append(model.seen)
        return limit is not None and len(calls) >= limit

    images, ids = np.stack([GREY] * 16), [str(i) for i in range(16)]
    config, limit = AttackConfig("fast", max_queries=64), None
    attack_images(model, images, [0] * 16, ids, config, should_stop=stop)
    limit = 2 * len(calls) // 3
    calls.clear()
    found = attack_images(model, images, [0] * 16, ids, config, should_stop=stop)
    stopped = [result for result in found if result.stopped]
    nearest = [result for result in stopped if result.pixels]
    assert 0 < len(nearest) <= len(stopped) < 16
    # The nearest misses alone; those that had ended were looked at then.
    assert model.seen - calls[-1] == len(nearest)
