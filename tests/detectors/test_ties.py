"""A score ties with its own saved copy, whatever type it is computed in."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.detectors.calibration import Calibration
from ndcore.detectors.detector import Detector


class Told(Detector):
    """Nothing but its calibration is asked."""

    name = about = "told"

    def see(self, pixels: np.ndarray) -> None:
        raise AssertionError

    score = see


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_image_of_a_saved_score_counts_itself(kind: type) -> None:
    scores = np.arange(30) / 10 + 1 / 3  # none is a float32; half of them round down
    predicted = np.arange(30) % 2
    detector = Told().with_calibration(Calibration(scores.astype(np.float32), predicted))
    among = [scores[predicted == label] for label in predicted]
    wanted = [(1 + (known >= own).sum()) / 16 for known, own in zip(among, scores, strict=True)]
    assert detector.p_of(scores.astype(kind), predicted).tolist() == wanted
    assert detector.p_of(scores.astype(kind), predicted).min() == 2 / 16


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_image_of_a_saved_layer_score_counts_itself(kind: type) -> None:
    scores = (np.arange(30) / 10 + 1 / 3)[:, None].astype(np.float32)
    known = Calibration(scores[:, 0], np.zeros(30, np.int64), layers=scores)
    found = known.layer_p_values(scores.astype(kind), np.zeros(30, np.int64))
    assert found[:, 0].tolist() == [(31 - i) / 31 for i in range(30)]
