from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.observed import Observed
from ndcore.activations.reading import Reading, read_source
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.detectors import DivergenceDetector, load_detector
from ndcore.detectors.layerwise import LAYERWISE
from ndcore.errors import BadRequestError, BundleError


@pytest.mark.spec("DD-3")
@pytest.mark.parametrize("name", LAYERWISE)
def test_false_positives_on_untouched_images_are_within_the_guarantee(
    digits_bundle: Bundle, name: str
) -> None:
    source = open_source("digits")
    members = positions(source, digits_bundle.splits["evaluation"])
    verdicts = load_detector(digits_bundle, name).detect(source.pixels(members), 0.1)
    flagged = np.mean([verdict.flagged for verdict in verdicts])
    assert flagged < 0.2  # 10% promised; both samples are small here


class TwoClasses(Observed):
    """Units that lie about 1 in class 0 and about 2 in class 1.

    No weights take part: which images are unusual does not depend on how a network was trained.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng, self.layers = rng, ("early", "late")
        labels = np.arange(800) % 2
        histograms = {
            key: ClassHistograms.empty(2, values).update(values, labels)
            for key, values in self.reading(labels, labels).activations.items()
        }
        super().__init__(nn.Identity(), self.layers, ("one", "two"), (1, 1, 1), histograms)

    def reading(self, predicted: NDArray[np.int64], inside: NDArray[np.int64]) -> Reading:
        """Images predicted as one class whose units have the values of another, or of the same."""
        values = {
            (layer, "value"): self.rng.normal(1 + inside[:, None], 0.1, (len(inside), 40)).astype(
                np.float32
            )
            for layer in self.layers
        }
        return Reading(np.eye(2, dtype=np.float32)[predicted], values)


@pytest.mark.parametrize("name", LAYERWISE)
def test_the_values_of_another_class_are_flagged(name: str, rng: np.random.Generator) -> None:
    known = TwoClasses(rng)
    labels = np.arange(400) % 2
    detector = DivergenceDetector(known, name)
    detector.fit(known.reading(labels, labels), known.reading(labels, labels))
    benign = [verdict.flagged for verdict in detector.explain(known.reading(labels, labels), 0.05)]
    assert np.mean(benign) == pytest.approx(0.05, abs=0.04)
    disguised = detector.explain(known.reading(labels, 1 - labels), 0.05)
    assert all(verdict.guaranteed and verdict.flagged for verdict in disguised)
    # No benign image of either class scores as high.
    assert {verdict.p_value for verdict in disguised} == {1 / (200 + 1)}


@pytest.mark.spec("DD-4")
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
