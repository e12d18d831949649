"""The incremental evaluator against plain forward passes."""

from __future__ import annotations

import gc
import time
import weakref
from collections import OrderedDict

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from ndcore.data.pixels import paint
from ndcore.errors import StoppedError
from ndcore.networks.evaluator import KEPT_S, Evaluator, Query, evaluator_for, let_go
from ndcore.networks.incremental.folding import fold_batch_norm
from ndcore.networks.incremental.windows import Incremental
from ndcore.networks.normalize import Normalize
from ndcore.networks.registry import build_model
from ndcore.networks.stoppable import stoppable
from tests.decisive_pixel import OneDecisivePixel


def trained_looking(model: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights and batch-norm statistics, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean = torch.rand(module.num_features, generator=generator) - 0.5
            module.running_var = torch.rand(module.num_features, generator=generator) + 0.5
            module.weight.data.uniform_(0.5, 1.5, generator=generator)
            module.bias.data.uniform_(-0.5, 0.5, generator=generator)
    return model.eval()


def changes(shape: tuple[int, int, int], count: int, pixels: int = 1, seed: int = 0) -> Query:
    """All corners and borders first, then random places."""
    height, width, channels = shape
    rng = np.random.default_rng(seed)
    edge = [(r, c) for r in (0, 1, height - 2, height - 1) for c in (0, 1, width - 2, width - 1)]
    places = np.concatenate([edge, rng.integers(0, (height, width), (count, 2))])
    positions = np.stack([places, *(rng.permutation(places) for _ in range(pixels - 1))], 1)
    colours = rng.integers(0, 256, (len(places), pixels, channels)).astype(np.uint8)
    base = rng.integers(0, 256, shape).astype(np.uint8)
    return Query(base, positions.astype(np.int64), colours)


def agree(model: nn.Module, shape: tuple[int, int, int], *, incremental: bool) -> Evaluator:
    evaluator = Evaluator(model, shape, "float32")
    assert evaluator.incremental is incremental
    query = changes(shape, 60)
    plain = evaluator.plain(paint(query.base, query.positions, query.colours))
    found = evaluator.evaluate(query.base, query.positions, query.colours)
    assert np.abs(found - plain).max() < 1e-4 * max(1.0, np.abs(plain).max())
    return evaluator


@pytest.mark.parametrize("pixels", [1, 2])
def test_a_stop_ends_a_batch_in_its_middle(pixels: int) -> None:
    evaluator = Evaluator(trained_looking(build_model("digits-cnn")), (8, 8, 1), "float32")
    asked = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > limit

    limit = 10**9
    with stoppable(stop):
        evaluator.run([changes((8, 8, 1), 600, pixels)])
    # Candidates come 256, whole images 64 at a time, and every layer of theirs is asked about.
    assert len(asked) >= 4 * (3 if pixels == 1 else 10)
    asked.clear()
    limit = 1
    with pytest.raises(StoppedError), stoppable(stop):
        evaluator.run([changes((8, 8, 1), 600, pixels)])
    assert len(asked) == 2


def test_vgg16_everywhere() -> None:
    model = trained_looking(build_model("cifar10-vgg16"))
    agree(model, (32, 32, 3), incremental=True)


def test_all_positions_of_a_small_network() -> None:
    model = trained_looking(build_model("digits-cnn"))
    evaluator = Evaluator(model, (8, 8, 1), "float32")
    grid = np.stack(np.meshgrid(range(8), range(8), indexing="ij"), -1).reshape(-1, 1, 2)
    base = np.arange(64, dtype=np.uint8).reshape(8, 8, 1)
    for value in (0, 255):
        colours = np.full((64, 1, 1), value, np.uint8)
        plain = evaluator.plain(paint(base, grid, colours))
        assert np.abs(evaluator.evaluate(base, grid, colours) - plain).max() < 1e-4


class Branching(OneDecisivePixel):
    """Cannot be traced."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.sum() > 1e9:
            return images.sum((1, 2, 3))
        return super().forward(images)


@pytest.mark.spec("OM-6")
def test_a_model_that_cannot_be_traced_runs_whole() -> None:
    agree(Branching(3, 4).eval(), (12, 12, 3), incremental=False)


class Written(nn.Module):
    """A chain written as a forward method, with functional calls."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, padding=1)
        self.two = nn.Conv2d(8, 8, 3)
        self.pool = nn.AvgPool2d(2)
        self.head = nn.LazyLinear(5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = torch.nn.functional.relu(self.one((images - 0.5) / 0.25))
        values = self.pool(torch.relu(self.two(values)))
        return self.head(torch.flatten(values, 1))


def test_a_chain_in_a_forward_method_is_recognised() -> None:
    model = Written().eval()
    with torch.no_grad():
        model(torch.zeros(1, 3, 20, 20))
    agree(model, (20, 20, 3), incremental=True)


@settings(max_examples=25, deadline=None)
@given(
    kernels=st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 2), st.integers(0, 2), st.integers(1, 2)),
        min_size=1,
        max_size=3,
    ),
    height=st.integers(9, 21),
    width=st.integers(9, 21),
    seed=st.integers(0, 1000),
)
def test_any_kernel_stride_padding_and_dilation(
    kernels: list[tuple[int, int, int, int]], height: int, width: int, seed: int
) -> None:
    torch.manual_seed(seed)
    parts: list[nn.Module] = [Normalize((0.4, 0.5, 0.6), (0.2, 0.2, 0.3))]
    size, channels = (height, width), 3
    for kernel, stride, padding, dilation in kernels:
        reach = (kernel - 1) * dilation + 1
        out = tuple((n + 2 * padding - reach) // stride + 1 for n in size)
        if min(out) < 2:
            break
        parts += [
            nn.Conv2d(channels, 6, kernel, stride, padding, dilation),
            nn.BatchNorm2d(6),
            nn.LeakyReLU(),
        ]
        size, channels = out, 6
    parts += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 4)]
    model = trained_looking(nn.Sequential(*parts), seed)
    evaluator = Evaluator(model, (height, width, 3), "float32")
    query = changes((height, width, 3), 40, seed=seed)
    plain = evaluator.plain(paint(query.base, query.positions, query.colours))
    found = evaluator.evaluate(query.base, query.positions, query.colours)
    assert np.abs(found - plain).max() < 1e-4


def test_several_pixels_and_several_images_in_one_batch() -> None:
    model = trained_looking(build_model("digits-cnn"))
    evaluator = Evaluator(model, (8, 8, 1), "float32")
    queries = [changes((8, 8, 1), 20, pixels, seed) for seed, pixels in enumerate((1, 3, 1, 5))]
    answers = evaluator.run(queries)
    for query, found in zip(queries, answers, strict=True):
        plain = evaluator.plain(paint(query.base, query.positions, query.colours))
        assert np.abs(found - plain).max() < 1e-4


def test_more_images_than_are_kept() -> None:
    model = trained_looking(build_model("digits-cnn"))
    evaluator = Evaluator(model, (8, 8, 1), "float32")
    for seed in [*range(2 * evaluator.slots), 0, 1]:
        query = changes((8, 8, 1), 4, seed=seed)
        plain = evaluator.plain(paint(query.base, query.positions, query.colours))
        assert np.abs(evaluator.run([query])[0] - plain).max() < 1e-4


def test_folding_leaves_the_model_alone() -> None:
    model = trained_looking(build_model("digits-cnn"))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    folded = fold_batch_norm(model)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    images = torch.rand(4, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(folded(images), model(images), atol=1e-5)
    Evaluator(model, (8, 8, 1))  # which may make a bfloat16 copy
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(after[name].dtype == tensor.dtype for name, tensor in before.items())
    ours = {weight.data_ptr() for weight in model.parameters()}
    assert not ours & {weight.data_ptr() for weight in folded.parameters()}


def test_a_batch_norm_used_twice_is_not_folded() -> None:
    norm, conv = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)
    model = trained_looking(nn.Sequential(OrderedDict(a=conv, n=norm, b=conv, m=norm)))
    folded = fold_batch_norm(model)
    images = torch.rand(2, 3, 4, 4)
    with torch.no_grad():
        assert torch.allclose(folded(images), model(images), atol=1e-5)


def test_a_changed_model_gets_a_new_evaluator() -> None:
    model = trained_looking(build_model("digits-cnn"))
    first = evaluator_for(model, (8, 8, 1), "float32")
    assert evaluator_for(model, (8, 8, 1), "float32") is first
    with torch.no_grad():
        model.dense_2.bias.add_(1)  # type: ignore[union-attr, operator]
    second = evaluator_for(model, (8, 8, 1), "float32")
    assert second is not first
    query = changes((8, 8, 1), 4)
    plain = second.plain(paint(query.base, query.positions, query.colours))
    assert np.abs(second.run([query])[0] - plain).max() < 1e-4


def test_the_screen_is_near_and_knows_its_error() -> None:
    model = trained_looking(build_model("digits-cnn"))
    evaluator = Evaluator(model, (8, 8, 1))
    query = changes((8, 8, 1), 60)
    exact = evaluator.run([query], exact=True)[0]
    screened = evaluator.run([query])[0]
    if evaluator.precision == "float32":
        assert np.array_equal(exact, screened)
    else:
        assert evaluator.band >= 4 * evaluator.error > 0
        assert np.abs(screened - exact).max() < evaluator.band


@pytest.mark.spec("OM-6")
@pytest.mark.parametrize("fault", ["wrong", "broken"])
def test_windows_that_do_not_give_what_the_model_gives_are_not_used(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    logits = Incremental.logits

    def other(self: Incremental, *asked: torch.Tensor) -> torch.Tensor:
        if fault == "broken":
            raise ValueError("only whole maps")
        return logits(self, *asked) + 0.01

    monkeypatch.setattr(Incremental, "logits", other)
    agree(trained_looking(build_model("digits-cnn")), (8, 8, 1), incremental=False)


def test_an_evaluator_that_nobody_asks_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go()  # of what other tests left long ago
    model = trained_looking(build_model("digits-cnn"))
    search, proof = (evaluator_for(model, (8, 8, 1), kind) for kind in ("auto", "float32"))
    later = [time.monotonic() + KEPT_S["float32"] - 1]
    monkeypatch.setattr("ndcore.networks.evaluator.time.monotonic", lambda: later[0])
    proof.run([changes((8, 8, 1), 4)])  # a long proof asks again and again
    later[0] += KEPT_S["float32"] - 1
    let_go()
    assert evaluator_for(model, (8, 8, 1), "float32") is proof
    later[0] += KEPT_S["float32"] + 1
    gone = weakref.ref(proof)
    del proof
    assert let_go() >= 1
    gc.collect()
    assert gone() is None  # with its weights
    assert evaluator_for(model, (8, 8, 1), "auto") is search
