"""Between classes, typical or over-typical: by the largest logit of the predicted class."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.detectors import load_detector
from ndcore.detectors.regime import regime_of, typicality


@pytest.mark.spec("DD-4")
def test_regimes_by_hand(digits_bundle: Bundle) -> None:
    assert [regime_of(share) for share in (0.05, 0.1, 0.5, 0.9, 0.95)] == [
        "between classes",
        "typical",
        "typical",
        "typical",
        "over-typical",
    ]
    source = open_source("digits")
    reading = digits_bundle.read(source.pixels(range(60)))
    last = digits_bundle.layers[-1]
    shares = typicality(reading.logits, digits_bundle.distributions(last, "value"))
    assert (shares > 0).all()
    assert (shares < 1).all()
    low, high = reading.logits.copy(), reading.logits.copy()
    rows = np.arange(60), reading.predicted
    high[rows] += 1000
    assert (typicality(high, digits_bundle.distributions(last, "value")) > 0.99).all()
    low -= 1000  # the same class wins, with a logit below all others of it
    assert (typicality(low, digits_bundle.distributions(last, "value")) < 0.01).all()
    verdict = load_detector(digits_bundle).detect(source.pixels([3]))[0]
    assert verdict.typicality == pytest.approx(shares[3])
    assert verdict.to_dict(digits_bundle.classes)["regime"] == regime_of(shares[3])
