from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from ndcore.analysis.story import class_distances, tell
from ndcore.attacks import AttackConfig, attack_images
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from ndcore.errors import BadRequestError, DataError


@pytest.fixture
def pair(digits_bundle: Bundle) -> Pair:
    source = open_source("digits")
    index = source.index(digits_bundle.gallery[0]["id"])
    result = attack_images(
        digits_bundle.model,
        source.pixels([index]),
        source.labels[[index]],
        [source.ids[index]],
        AttackConfig(max_queries=4000),
    )[0]
    return Pair(result.id, result.benign, result.attacked, result.true)


def test_a_token_restores_the_pair(pair: Pair) -> None:
    again = Pair.from_token(pair.token(), (8, 8, 1))
    assert again.image_id == pair.image_id
    assert again.label == pair.label
    assert np.array_equal(again.benign, pair.benign)
    assert again.attacked is not None
    assert np.array_equal(again.attacked, pair.attacked)
    assert again.changes == pair.changes
    assert len(pair.changes) == 1


def test_a_colour_token_and_a_natural_image() -> None:
    pair = Pair.from_token("samples:3~12.7.ff00aa", (32, 32, 3))
    assert pair.attacked is not None
    assert pair.attacked[12, 7].tolist() == [255, 0, 170]
    assert pair.token() == "samples:3~12.7.ff00aa"
    natural = Pair.from_token("samples:4", (32, 32, 3))
    assert natural.attacked is None
    assert natural.changes == ()
    assert Pair("", natural.benign).token() == ""


@pytest.mark.parametrize(
    "token",
    ["", "samples:3~", "samples:3~1.2", "samples:3~1.2.zz", "samples:3~40.2.ffffff",
     "samples:3~1.2.ff", "../../etc/passwd", "samples:<b>", "samples:3~1.2.ffffffff"],
)  # fmt: skip
def test_damaged_tokens_are_refused(token: str) -> None:
    with pytest.raises((BadRequestError, DataError)):
        Pair.from_token(token, (32, 32, 3))


def test_a_pair_of_another_shape_is_refused() -> None:
    with pytest.raises(DataError, match="the model takes"):
        Pair.from_token("digits:3", (32, 32, 3))


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
    found = class_distances(histograms)
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
