"""Units and edges held at their means: known answers on a network made by hand."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.observed import Observed
from ndcore.analysis.hold_test import (
    DRAWS,
    SETTINGS,
    HeldEdge,
    HoldTest,
    Outcome,
    class_members,
    hold_test,
)
from ndcore.concept_graph.graph import Unit
from ndcore.data.catalog import open_source
from ndcore.errors import StoppedError
from tests.analysis.by_hand import SIDE, by_hand


@pytest.fixture
def images() -> tuple[np.ndarray, np.ndarray]:
    """Ten of class 0 without red, six of class 1 with much."""
    pixels = np.zeros((16, SIDE, SIDE, 3), np.uint8)
    pixels[10:, ..., 0] = 200
    return pixels, np.array([0] * 10 + [1] * 6)


def test_a_unit_that_carries_the_class_takes_its_recall(images: tuple) -> None:
    found = hold_test(by_hand(), [Unit("hidden", 0)], 1, images)
    assert (found.before.recall.k, found.before.recall.n) == (6, 6)
    assert (found.after.recall.k, found.after.accuracy.k) == (0, 10)
    # No other unit of the layer counts.
    assert len(found.random) == DRAWS
    assert found.random_mean("recall") == 1
    assert found.random_mean("accuracy") == 1


def test_a_convolution_unit_is_held_on_its_map(images: tuple) -> None:
    found = hold_test(by_hand(), [Unit("spots", 0)], 1, images, single=images[0][-1:])
    assert found.after.recall.k == 0
    assert found.before.probabilities.argmax(1).tolist() == [1]
    assert found.after.probabilities.argmax(1).tolist() == [0]


def test_an_edge_is_held_for_its_target_alone(images: tuple) -> None:
    model = by_hand()
    edge = HeldEdge("hidden", 0, 0, 8, 5)
    found = hold_test(model, edge, 1, images)
    assert found.before.recall.k == 6
    assert found.after.recall.k == 0  # 6/16 of the red is not enough
    assert hold_test(model, HeldEdge("hidden", 0, 1, 8, 5), 1, images).after.recall.k == 6
    assert hold_test(model, HeldEdge("hidden", 1, 0, 8, 5), 1, images).after.recall.k == 6
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.model.modules())


def test_a_convolution_edge_is_that_channel_of_that_filter() -> None:
    conv = nn.Conv2d(3, 4, 3, padding=1)
    model = nn.Sequential(
        OrderedDict(conv=conv, pool=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten())
    ).eval()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        conv.weight.copy_(torch.from_numpy(rng.normal(0, 1, conv.weight.shape)))
    values = np.ones((4, 4), np.float32)
    counted = ClassHistograms.empty(4, values).update(values, np.arange(4))
    of = Observed(model, ("conv",), tuple("abcd"), (SIDE, SIDE, 3), {("conv", "max"): counted})
    pixels = rng.integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    found = hold_test(
        of, HeldEdge("conv", 2, 1, 3, 4), 0, (pixels, np.zeros(6, int)), single=pixels
    )
    replaced = pixels.astype(np.float32)
    replaced[..., 2] = replaced[..., 2].mean(0)
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2) / 255)
        other = model(torch.from_numpy(replaced).permute(0, 3, 1, 2) / 255)
        expected[:, 1] = other[:, 1]
    wanted = torch.softmax(expected, 1).numpy()
    assert found.after.probabilities == pytest.approx(wanted, abs=1e-5)
    assert found.before.probabilities != pytest.approx(wanted, abs=1e-3)


def test_it_can_be_stopped_and_goes_on_where_it_was(images: tuple) -> None:
    asked = (by_hand(), [Unit("hidden", 0)], 1, images)
    whole = hold_test(*asked)
    assert len(whole.outcomes) == SETTINGS
    known = HoldTest()

    def stop() -> bool:
        return len(known.outcomes) == 5

    with pytest.raises(StoppedError):
        hold_test(*asked, on_outcome=known.add, should_stop=stop)
    assert known.answered
    assert (len(known.random), known.after.recall) == (3, whole.after.recall)
    more: list[Outcome] = []
    rest = hold_test(*asked, begun=known.outcomes, on_outcome=more.append)
    assert len(more) == SETTINGS - 5
    assert [each.recall for each in rest.outcomes] == [each.recall for each in whole.outcomes]


def test_images_of_the_class_and_as_many_others() -> None:
    digits = open_source("digits")
    own, others = class_members(digits, [], 3, 20)
    assert len(own) == len(others) == 20
    assert set(digits.labels[own]) == {3}
    assert 3 not in digits.labels[others]
    keys = digits.keys()
    dev = [keys[at] for at in own[:5]]
    assert class_members(digits, dev, 3) == (own[:5], [])
