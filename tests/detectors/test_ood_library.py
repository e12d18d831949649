"""The detectors of pytorch-ood on features with a known answer."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ndcore.detectors.scoring.detector import Measured
from ndcore.detectors.scoring.ood_library import library_detectors, linear_head
from ndcore.detectors.scoring.reference import Reference


def linear_reference(rng: np.random.Generator, head: torch.nn.Linear) -> Reference:
    labels = np.repeat(np.arange(3), 40)
    features = (rng.normal(size=(120, 16)) + 3 * np.eye(16)[labels]).astype(np.float32)
    with torch.no_grad():
        logits = head(torch.from_numpy(features)).numpy()
    return Reference("hash", 3, {}, features, labels.astype(np.int64), logits)


@pytest.mark.spec("DD-6")
def test_the_library_s_detectors_mind_what_is_far_away(rng: np.random.Generator) -> None:
    head = torch.nn.Linear(16, 3)
    with torch.no_grad():
        head.weight.copy_(torch.eye(16)[:3])
        head.bias.zero_()
    reference = linear_reference(rng, head)
    found = linear_head(reference)
    assert found is not None
    assert torch.allclose(found.weight, head.weight, atol=1e-4)
    near = (rng.normal(size=(50, 16)) + 3 * np.eye(16)[rng.integers(0, 3, 50)]).astype(np.float32)
    far = (6 * rng.normal(size=(50, 16))).astype(np.float32)
    far[:, :3] = rng.normal(size=(50, 3)) / 3  # no class, and odd in every other direction

    def measured(features: np.ndarray) -> Measured:
        with torch.no_grad():
            logits = head(torch.from_numpy(features)).numpy()
        seen = SimpleNamespace(penultimate=features, logits=logits, predicted=logits.argmax(1))
        return Measured(seen)  # type: ignore[arg-type]

    for detector in library_detectors():
        detector.prepare(reference, measured(near))
        usual, odd = (np.median(detector.score(measured(f))) for f in (near, far))
        assert np.isfinite([usual, odd]).all()
        assert odd > usual, detector.name


def test_a_head_that_is_not_linear_is_no_head(rng: np.random.Generator) -> None:
    reference = linear_reference(rng, torch.nn.Linear(16, 3))
    bent = Reference(
        "hash", 3, {}, reference.penultimate, reference.labels, np.tanh(reference.logits)
    )
    assert linear_head(bent) is None


@pytest.mark.spec("LB-4")
@pytest.mark.parametrize("at", [0, 1])
def test_scores_hang_on_no_number_of_threads(rng: np.random.Generator, at: int) -> None:
    features = rng.normal(size=(1200, 32)).astype(np.float32)
    labels = np.arange(1200) % 3
    head = torch.nn.Linear(32, 3)
    with torch.no_grad():
        logits = head(torch.from_numpy(features)).numpy()
    reference = Reference("hash", 3, {}, features, labels, logits)
    seen = Measured(SimpleNamespace(penultimate=features[:9], logits=logits[:9]))  # type: ignore[arg-type]
    found, before = [], torch.get_num_threads()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        try:
            detector = library_detectors()[at].prepare(reference, seen)
            found.append(detector.score(seen).tobytes())
            assert torch.get_num_threads() == threads
        finally:
            torch.set_num_threads(before)
    assert found[0] == found[1]
