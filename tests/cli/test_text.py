"""What commands say of what they cannot decide or need not say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ndcore.bundles.estimate import Estimate
from ndcore.cli.text import detect_text
from ndcore.statistics.conformal import threshold

CHEAP = Estimate(seconds=0.2, gallery_seconds=0.0, memory_mb=10, bundle_mb=0.1)


def test_nothing_takes_no_time_and_no_gallery_is_not_spoken_of() -> None:
    assert CHEAP.sentence.startswith("a bundle takes about 1 s, ")
    assert "gallery" not in CHEAP.sentence
    assert "up to 3 s more" in replace(CHEAP, gallery_seconds=3.2).sentence


@pytest.mark.parametrize(("images", "told"), [(0, ""), (1, "0.5"), (2, "0.334"), (18, "0.053")])
def test_an_undecided_verdict_says_which_rate_would_decide(images: int, told: str) -> None:
    row = {
        "file": "a.png",
        "predicted": "cat",
        "confidence": 0.5,
        "flagged": False,
        "guaranteed": False,
        "calibration_images": images,
        "alpha": 0.05,
        "p_value": 1.0,
        "score": 0.0,
    }
    text = detect_text({"detector": "w1", "results": [row]})
    assert f"undecided: {images} calibration" in text
    assert "too few for 5% of false alarms" in text
    assert (f"(--alpha {told} or more decides)" in text) == bool(told)
    if told:
        scores = np.arange(images, dtype=float)
        assert np.isfinite(threshold(scores, float(told)))
        assert not np.isfinite(threshold(scores, float(told) - 0.002))
