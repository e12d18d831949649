"""Clamped units: known answers on networks made by hand, and hooks that go away."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.hold import Clamp, clamped
from ndcore.activations.observed import Observed
from ndcore.analysis.causal import causal_test, clean_members
from ndcore.analysis.causal_finding import CausalTest, causal_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.detectors import UnitEvidence, Verdict, load_detector
from ndcore.errors import BadRequestError, StoppedError

CLASSES = ("dark", "bright")


class Spots(nn.Module):
    """Unit 0 sees the red channel, unit 1 the green one, units 2 to 5 see nothing that counts."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.stack([images[:, 0], images[:, 1], *[images[:, 2] + i for i in range(4)]], 1)


class Bright(nn.Module):
    """Two logits: class 1 wins when the largest value of unit 0 exceeds 1/2."""

    def forward(self, maps: Tensor) -> Tensor:
        value = 20 * (maps[:, 0].amax((1, 2)) - 0.5)
        return torch.stack([-value, value], 1)


class ByHand(Observed):
    """A network of which only unit 0 decides; its median is 0.1 in both classes."""

    def __init__(self) -> None:
        parts = OrderedDict(spots=Spots(), logits=Bright())
        model = nn.Sequential(parts).eval()
        model.register_parameter("unused", nn.Parameter(torch.zeros(1)))
        rng = np.random.default_rng(0)
        values = rng.uniform(0.05, 0.15, (400, 6)).astype(np.float32)
        values[:, 2:] += np.arange(4, dtype=np.float32)
        labels = np.arange(400) % 2
        logits = np.stack([20 - 40 * values[:, 0], 40 * values[:, 0] - 20], 1)
        spots = ClassHistograms.empty(2, values).update(values, labels)
        found = {
            # Means are not judged by: theirs are nobody's values.
            ("spots", "mean"): ClassHistograms.empty(2, values + 9).update(values + 9, labels),
            ("spots", "max"): spots,
            ("logits", "value"): ClassHistograms.empty(2, logits).update(logits, labels),
        }
        super().__init__(model, ("spots", "logits"), CLASSES, (4, 4, 3), found)


def evidence(layer: str, unit: int) -> UnitEvidence:
    return UnitEvidence(layer, unit, "max", 1.0, 0.1, 0.01, 1.0)


def verdict(predicted: int, units: list[tuple[str, int]]) -> Verdict:
    return Verdict(
        predicted=predicted,
        confidence=1.0,
        score=1.0,
        p_value=0.01,
        flagged=True,
        alpha=0.05,
        threshold=0.5,
        calibration_images=100,
        guaranteed=True,
        fpr_band=(0.02, 0.09),
        layers=(),
        units=tuple(evidence(*unit) for unit in units),
    )


@pytest.fixture
def attacked() -> np.ndarray:
    """A dark image with one bright red pixel."""
    pixels = np.full((4, 4, 3), 25, np.uint8)
    pixels[2, 1, 0] = 255
    return pixels


@pytest.fixture
def dark() -> np.ndarray:
    return np.full((5, 4, 4, 3), 25, np.uint8)


def run(attacked: np.ndarray, benign: np.ndarray, units: list[tuple[str, int]]) -> CausalTest:
    labels = np.zeros(len(benign), np.int64)
    return causal_test(ByHand(), attacked, verdict(1, units), benign, labels, wanted=0)


def test_clamping_the_unit_that_carries_the_label_returns_it(
    attacked: np.ndarray, dark: np.ndarray
) -> None:
    found = run(attacked, dark, [("spots", 0), ("spots", 3)])
    assert [step.units for step in found.tops] == [1, 2]
    assert [step.label for step in found.tops] == [0, 0]
    assert found.random_hits(found.tops[0]) == 0  # no other unit carries it
    assert [(step.layer, step.units, step.label) for step in found.layers] == [("spots", 6, 0)]
    assert (found.images, found.right) == (5, 5)
    assert found.accuracy(found.tops[0].right) == found.accuracy(5)
    told = causal_sentence(found, CLASSES)
    assert told.startswith("The label comes back to dark with the most divergent neuron clamped.")
    assert "in 0 of 20 draws" in told
    rows = found.to_dict(CLASSES)
    assert rows["wanted"] == "dark"
    assert rows["steps"][0]["returned"]
    assert rows["clean"]["n"] == 5
    assert rows["clean"]["ci95"][0] == pytest.approx(0.5655, abs=1e-3)


def test_it_says_plainly_that_the_label_does_not_come_back(
    attacked: np.ndarray, dark: np.ndarray
) -> None:
    found = run(attacked, dark[:0], [("spots", 1), ("spots", 4)])
    assert [step.label for step in found.tops] == [1, 1]
    assert found.accuracy(found.right).percent() == "undefined"
    told = causal_sentence(found, CLASSES)
    assert told.startswith("The label dark does not come back: with up to 2 of the most divergent")
    assert told.endswith("it stays bright. Clamping all of spots does it.")
    # unit 0 is among the random ones now and then
    assert 0 < found.random_hits(found.tops[1]) < 20
    again = run(attacked, dark[:0], [("spots", 1), ("spots", 4)])
    assert np.array_equal(again.tops[0].random, found.tops[0].random)


def test_the_outputs_take_no_part(attacked: np.ndarray, dark: np.ndarray) -> None:
    found = run(attacked, dark, [("logits", 0), ("spots", 0)])
    assert [(step.layer, step.units) for step in found.steps] == [("", 1), ("spots", 6)]
    nothing = run(attacked, dark, [("logits", 0)])
    assert not nothing.tops
    assert "nothing to clamp" in causal_sentence(nothing, CLASSES)


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


def test_hooks_go_away_also_on_errors(attacked: np.ndarray, dark: np.ndarray) -> None:
    bundle = ByHand()
    hold = {"spots": Clamp(np.ones((1, 6), bool), np.zeros((1, 6), np.float32), "max")}

    def fail() -> None:
        with clamped(bundle.model, hold):
            assert hooks(bundle.model) == 1
            raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"):
        fail()
    assert hooks(bundle.model) == 0
    with (
        pytest.raises(BadRequestError, match="no layer 'nothing'"),
        clamped(bundle.model, {"nothing": hold["spots"]}),
    ):
        pass
    wrong = {"logits": hold["spots"]}
    with pytest.raises(BadRequestError, match="does not fit"), clamped(bundle.model, wrong):
        bundle.model(torch.zeros(1, 3, 4, 4))
    asked = iter([False] * 6 + [True])
    with pytest.raises(StoppedError):
        causal_test(
            bundle,
            attacked,
            verdict(1, [("spots", 0)]),
            dark,
            np.zeros(5, np.int64),
            should_stop=lambda: next(asked),
        )
    assert hooks(bundle.model) == 0


def test_other_threads_notice_nothing(attacked: np.ndarray) -> None:
    model = ByHand().model
    images = torch.from_numpy(attacked).permute(2, 0, 1)[None].float() / 255
    hold = {"spots": Clamp(np.ones((1, 6), bool), np.zeros((1, 6), np.float32), "max")}
    seen = {}
    with clamped(model, hold):
        here = int(model(images).argmax())
        other = threading.Thread(target=lambda: seen.update(label=int(model(images).argmax())))
        other.start()
        other.join()
    assert (here, seen["label"]) == (0, 1)


def test_a_real_bundle_with_progress_and_a_seeded_sample(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    dev = digits_bundle.splits["dev"]
    members = clean_members(source, dev, 20)
    assert members == clean_members(source, dev, 20)
    assert set(members) <= set(positions(source, dev))
    assert len(clean_members(source, [], 30)) == 30
    image = source.pixels([5])[0]
    found = load_detector(digits_bundle).detect(image[None])[0]
    seen: list[tuple[int, int]] = []
    test = causal_test(
        digits_bundle,
        image,
        found,
        source.pixels(members),
        source.labels[members],
        on_pass=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1][0] == seen[-1][1]
    assert [step.layer for step in test.layers] == list(digits_bundle.layers[:-1])
    assert test.wanted is None
    clean = digits_bundle.read(source.pixels(members)).predicted == source.labels[members]
    assert test.right == clean.sum() >= 18
    turned = [step.label for step in test.tops if step.label != test.predicted]
    name = digits_bundle.classes[turned[0] if turned else test.predicted]
    wanted = f"The label turns into {name} with" if turned else f"clamped it stays {name}."
    assert wanted in causal_sentence(test, digits_bundle.classes)
