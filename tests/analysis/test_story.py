"""The story of a pair: three measured claims, and distances between classes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ndcore.analysis.story import class_distances, tell
from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.errors import BadRequestError


@pytest.mark.spec("ND-19", "ND-20", "ND-21")
def test_the_story_has_three_measured_claims(digits_bundle: Bundle, pair: Pair) -> None:
    claims = tell(digits_bundle, pair)
    assert [claim.view for claim in claims] == [1, 2, 3]
    for claim in claims:
        assert claim.sentence.startswith("Held" if claim.held else "Did not hold")
        assert claim.numbers
    assert claims[1].held == (claims[1].numbers["p_value"] <= 0.05)
    assert claims[2].held == (claims[2].numbers["p_value"] > 0.05)
    with pytest.raises(BadRequestError, match="attacked image"):
        tell(digits_bundle, Pair(pair.image_id, pair.benign))
    with pytest.raises(BadRequestError, match="unknown layer"):
        tell(digits_bundle, pair, "dense_9")


def test_class_distances_are_a_metric_table(digits_bundle: Bundle) -> None:
    histograms = digits_bundle.distributions("dense_1", "value")
    found = class_distances(histograms, range(10))
    assert np.allclose(found, found.T)
    assert np.allclose(np.diag(found), 0)
    # By hand, on the 64 bins of the common axis from 0 to 1; exact zeros are in its first bin.
    shares = histograms.on_common_axis(*histograms.axis(), 64)
    shares[..., 0] += histograms.zero_share()
    centres = (np.arange(64) + 0.5) / 64
    pairs = zip(shares[3], shares[5], strict=True)
    wanted = [wasserstein_distance(centres, centres, *pair) for pair in pairs]
    assert found[3, 5] == pytest.approx(np.mean(wanted), rel=1e-4)
    for a in range(10):
        for b in range(10):
            assert (found[a, b] <= found[a] + found[:, b] + 1e-12).all()
