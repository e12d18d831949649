from __future__ import annotations

import numpy as np
import pytest

from ndcore.activations.reading import read_source
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.detectors import DETECTORS, DivergenceDetector, load_detector
from ndcore.errors import BadRequestError, BundleError


@pytest.mark.parametrize("name", DETECTORS)
def test_false_positives_on_untouched_images_are_within_the_guarantee(
    digits_bundle: Bundle, name: str
) -> None:
    source = open_source("digits")
    members = positions(source, digits_bundle.splits["evaluation"])
    verdicts = load_detector(digits_bundle, name).detect(source.pixels(members), 0.1)
    flagged = np.mean([verdict.flagged for verdict in verdicts])
    assert flagged < 0.2  # 10% promised; both samples are small here


@pytest.mark.parametrize("name", DETECTORS)
def test_noise_is_flagged(digits_bundle: Bundle, name: str, rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (40, 8, 8, 1), dtype=np.uint8)
    verdicts = load_detector(digits_bundle, name).detect(noise, 0.05)
    decided = [verdict.flagged for verdict in verdicts if verdict.guaranteed]
    assert np.mean(decided) > 0.5  # ten times the rate among benign images


def test_contributions_of_all_units_sum_to_the_score(digits_bundle: Bundle) -> None:
    detector = load_detector(digits_bundle)
    source = open_source("digits")
    verdict = detector.detect(source.pixels([3]), 0.05)[0]
    # digits-cnn has few enough units for all of the evidence to be listed
    assert sum(unit.contribution for unit in verdict.units) == pytest.approx(
        verdict.score, rel=1e-5
    )
    assert [unit.contribution for unit in verdict.units] == sorted(
        (unit.contribution for unit in verdict.units), reverse=True
    )
    for unit in verdict.units:
        found = digits_bundle.distributions(unit.layer, unit.reduction)
        assert unit.class_median == pytest.approx(found.medians()[verdict.predicted, unit.unit])
        reading = digits_bundle.read(source.pixels([3]))
        value = reading.values(unit.layer, unit.reduction)[0, unit.unit]
        assert unit.activation == pytest.approx(value)


def test_an_image_alone_or_among_others_gets_the_same_verdict(digits_bundle: Bundle) -> None:
    detector = load_detector(digits_bundle)
    pixels = open_source("digits").pixels(range(8))
    together = detector.detect(pixels, 0.05)
    for i in range(8):
        alone = detector.detect(pixels[i : i + 1], 0.05)[0]
        assert alone.p_value == together[i].p_value
        assert alone.score == pytest.approx(together[i].score, rel=1e-5)


def test_fit_calibrate_and_stored_calibration_agree(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    readings = [
        read_source(
            digits_bundle.model,
            digits_bundle.layers,
            source,
            positions(source, digits_bundle.splits[split]),
        )
        for split in ("dev", "calibration")
    ]
    fitted = DivergenceDetector(digits_bundle, "surprisal").fit(*readings)
    stored = load_detector(digits_bundle, "surprisal")
    assert np.allclose(fitted.calibration.scores, stored.calibration.scores, atol=1e-4)
    assert np.array_equal(fitted.calibration.predicted, stored.calibration.predicted)


def test_too_few_images_are_said_and_never_flag(digits_bundle: Bundle) -> None:
    verdict = load_detector(digits_bundle).detect(open_source("digits").pixels([0]), 0.005)[0]
    assert not verdict.guaranteed
    assert not verdict.flagged
    assert verdict.to_dict(digits_bundle.classes)["threshold"] is None


def test_unknown_or_unfitted_detector(digits_bundle: Bundle) -> None:
    with pytest.raises(BadRequestError, match="unknown detector 'magic'"):
        load_detector(digits_bundle, "magic")
    with pytest.raises(BundleError, match="no calibration"):
        _ = DivergenceDetector(digits_bundle, "surprisal").calibration
    with pytest.raises(BadRequestError, match="alpha"):
        load_detector(digits_bundle).detect(np.zeros((1, 8, 8, 1), np.uint8), 1.5)
