"""The waterfall of a verdict sums to its score."""

from __future__ import annotations

import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.detectors import load_detector
from pages.ui.detector.evidence import shares


@pytest.mark.spec("DD-4")
def test_layers_and_the_shown_bars_sum_to_the_score(digits_bundle: Bundle) -> None:
    for verdict in load_detector(digits_bundle).detect(open_source("digits").pixels(range(5))):
        assert sum(layer.contribution for layer in verdict.layers) == pytest.approx(
            verdict.score, rel=1e-5
        )
        names, parts = shares(verdict)
        assert len(names) == len(parts) == len(set(names))
        assert sum(parts) == pytest.approx(verdict.score, rel=1e-5)
