"""FGSM, PGD, DeepFool and C&W through foolbox, judged on 8-bit images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ndcore.attacks import ENGINES, AttackConfig, AttackProgress, AttackResult, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.errors import BadRequestError
from tests.decisive_pixel import OneDecisivePixel

GREY = np.full((16, 16, 3), 100, np.uint8)
COMPARISONS = [engine.name for engine in ENGINES.values() if not engine.search]


def attack(model: torch.nn.Module, label: int = 0, **options: object) -> AttackResult:
    return attack_images(model, GREY[None], [label], ["a"], AttackConfig(**options))[0]


def run(bundle: Bundle, members: list[int], **options: object) -> list[AttackResult]:
    source = open_source("digits")
    ids = [source.ids[i] for i in members]
    config = AttackConfig(**options)
    return attack_images(bundle.model, source.pixels(members), source.labels[members], ids, config)


@pytest.mark.spec("AL-13")
@pytest.mark.parametrize("engine", COMPARISONS)
def test_successes_hold_on_the_saved_image(digits_bundle: Bundle, engine: str) -> None:
    before = {name: tensor.clone() for name, tensor in digits_bundle.model.state_dict().items()}
    results = run(digits_bundle, list(range(8)), engine=engine, epsilon=60)
    assert any(result.success for result in results)
    for result in results:
        assert result.attacked.dtype == np.uint8
        images = torch.from_numpy(result.attacked.copy()).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            label = int(digits_bundle.model(images)[0].argmax())
        assert label == result.predicted_after
        assert result.success == (label != result.true and not result.skipped)
        if engine in ("fgsm", "pgd"):
            assert result.distances["linf"] <= 60 / 255 + 1e-9
        assert result.skipped or result.queries > 0
    after = digits_bundle.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(parameter.grad is None for parameter in digits_bundle.model.parameters())
    assert not digits_bundle.model.training


@pytest.mark.parametrize("engine", ["pgd", "cw"])
def test_alone_or_in_a_batch(digits_bundle: Bundle, engine: str) -> None:
    together = run(digits_bundle, [2, 3, 4], engine=engine, seed=5)
    alone = run(digits_bundle, [3], engine=engine, seed=5)
    assert np.array_equal(together[1].attacked, alone[0].attacked)


def test_targeted(digits_bundle: Bundle) -> None:
    results = run(digits_bundle, list(range(10)), engine="pgd", epsilon=90, target=3)
    won = [result for result in results if result.success]
    assert won
    assert all(result.predicted_after == 3 for result in won)
    assert all(result.skipped for result in results if result.true == 3)
    with pytest.raises(BadRequestError, match="no targeted form"):
        run(digits_bundle, [0], engine="deepfool", target=3)


def test_a_stop_leaves_foolbox(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    looks: list[AttackProgress] = []
    results = attack_images(
        digits_bundle.model,
        source.pixels([0, 1, 2]),
        source.labels[[0, 1, 2]],
        ["a", "b", "c"],
        AttackConfig("cw"),
        on_progress=looks.append,
        should_stop=lambda: len(looks) == 2,
    )
    assert len(results) == 1
    assert results[0].stopped
    assert not results[0].success
    assert results[0].queries == looks[-1].queries == 21  # of the 300 that it may take


@pytest.mark.parametrize("engine", COMPARISONS)
def test_the_decisive_pixel_is_what_changes(engine: str) -> None:
    model = OneDecisivePixel(5, 9)  # its parameter takes gradients
    state = torch.random.get_rng_state()
    result = attack(model, engine=engine, epsilon=40)
    assert result.success
    assert result.attacked[5, 9, 0] >= 128 > result.benign[5, 9, 0]
    if engine != "pgd":  # its random start leaves noise elsewhere
        assert [(change.row, change.col) for change in result.pixels] == [(5, 9)]
    assert result.first_hit == result.queries == result.forwards
    assert model.scale.grad is None
    assert model.scale.requires_grad
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("engine", ["fgsm", "pgd"])
def test_the_bound_holds_after_rounding(engine: str) -> None:
    for epsilon, reached in ((27, False), (28, True)):  # class 1 begins at red 128
        result = attack(OneDecisivePixel(5, 9), engine=engine, epsilon=epsilon)
        assert result.success is reached
        change = result.attacked.astype(int) - result.benign
        assert abs(change).max() <= epsilon


@pytest.mark.parametrize("engine", ["deepfool", "cw"])
def test_a_smallest_change_is_small_and_survives_rounding(engine: str) -> None:
    result = attack(OneDecisivePixel(5, 9), engine=engine)
    assert result.success
    assert 128 <= result.attacked[5, 9, 0] <= 145


@pytest.mark.parametrize("engine", ["pgd", "cw"])
def test_a_target_is_reached_or_missed(engine: str) -> None:
    assert attack(OneDecisivePixel(5, 9), engine=engine, target=1, epsilon=40).predicted_after == 1

    class Third(OneDecisivePixel):
        """A third class that never wins."""

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            logits = super().forward(images)
            return torch.cat([logits, logits[:, :1] * 0 - 100], 1)

    missed = attack(Third(5, 9), engine=engine, target=2, epsilon=40)
    assert not missed.success
    assert not missed.skipped
    assert missed.first_hit is None


@pytest.mark.parametrize("engine", COMPARISONS)
def test_an_unmoved_model_is_an_honest_failure(engine: str) -> None:
    class Never(OneDecisivePixel):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images * 0)

    result = attack(Never(5, 9), engine=engine)
    assert not result.success
    assert not result.stopped
    assert result.predicted_after == 0


@pytest.mark.parametrize("engine", COMPARISONS)
def test_misclassified_images_are_not_attacked(engine: str) -> None:
    result = attack(OneDecisivePixel(5, 9), 1, engine=engine)
    assert result.skipped
    assert result.queries == 0
    assert not result.pixels


def test_progress_and_results_come_as_they_are_made() -> None:
    looks, ends = [], []
    attack_images(
        OneDecisivePixel(5, 9),
        np.stack([GREY, GREY]),
        [0, 0],
        ["a", "b"],
        AttackConfig("pgd", epsilon=40),
        on_progress=looks.append,
        on_result=lambda index, result: ends.append((index, result.id)),
    )
    assert ends == [(0, "a"), (1, "b")]
    assert [look.id for look in looks] == ["a", "a", "b", "b"]
    assert looks[-1].stage == "pgd, image 2 of 2"
    assert looks[-1].done == looks[-1].succeeded == 1
    assert all(0 < look.queries <= look.max_queries for look in looks)
    totals = [look.total_queries for look in looks]
    assert totals == sorted(totals)


def test_gradients_may_be_forbidden_around_it() -> None:
    with torch.inference_mode():
        assert attack(OneDecisivePixel(5, 9), engine="fgsm", epsilon=40).success
    with torch.no_grad():
        assert attack(OneDecisivePixel(5, 9), engine="fgsm", epsilon=40).success
