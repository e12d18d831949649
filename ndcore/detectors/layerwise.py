"""Divergence detector: an image against the distributions of its predicted class.

Unit scores (excess Wasserstein-1 or surprisal) -> mean of a layer's top 5% -> minus the log of
that mean's rank among benign dev images -> mean over layers -> conformal p-value per predicted
class. Three disjoint sets of images take part: reference (distributions), dev (ranks) and
calibration (p-values).

Reference: Park, Hohman & Chau 2019, "NeuralDivergence", asks whether such a divergence could
reveal attacks; score, ranks and threshold are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.divergence import excess_w1, surprisal, tail_p, top_mean
from ndcore.activations.histograms import ClassHistograms
from ndcore.activations.reading import Reading
from ndcore.detectors.regime import typicality
from ndcore.detectors.verdict import LayerScore, UnitEvidence, Verdict
from ndcore.errors import BadRequestError, BundleError
from ndcore.statistics.conformal import ClassCalibration, check_alpha

__all__ = ["DETECTORS", "Calibration", "DivergenceDetector", "Observed", "load_detector"]

DETECTORS = {
    "wasserstein": "distance of each neuron's value from the class, in class spreads "
    "(Wasserstein-1 above its minimum)",
    "surprisal": "how rare each neuron's value is in the class (binned negative log-likelihood)",
}
UNIT_SCORES = {"wasserstein": excess_w1, "surprisal": surprisal}
TOP_SHARE = 0.05
EVIDENCE = 20


class Observed(Protocol):
    """What a detector needs of a bundle; `ndcore.bundles.bundle.Bundle` says what each does."""

    @property
    def layers(self) -> tuple[str, ...]: ...  # noqa: D102

    def reductions(self, layer: str) -> tuple[str, ...]: ...  # noqa: D102

    def distributions(self, layer: str, reduction: str) -> ClassHistograms: ...  # noqa: D102

    def read(self, pixels: NDArray[np.uint8]) -> Reading: ...  # noqa: D102

    @property
    def calibrations(self) -> Mapping[str, Calibration]: ...  # noqa: D102


@dataclass(frozen=True)
class Calibration:
    """Benign scores that turn a detector's raw scores into p-values.

    Attributes:
        dev: float32 (dev images, layers), layer scores, each column sorted.
        layers: float32 (calibration images, layers), layer scores.
        scores: float32 (calibration images,), image scores.
        predicted: int64 (calibration images,), predicted classes; misclassified ones included.
    """

    dev: NDArray[np.float32]
    layers: NDArray[np.float32]
    scores: NDArray[np.float32]
    predicted: NDArray[np.int64]

    @cached_property
    def images(self) -> ClassCalibration:
        """Image scores by predicted class."""
        return ClassCalibration(self.scores, self.predicted)

    @cached_property
    def by_layer(self) -> tuple[ClassCalibration, ...]:
        """Each layer's scores by predicted class."""
        return tuple(ClassCalibration(column, self.predicted) for column in self.layers.T)


@dataclass(frozen=True)
class _Measured:
    """Unit scores (N, units) per layer and layer scores (N, layers) of one reading."""

    units: dict[str, NDArray[np.float64]]
    layers: NDArray[np.float32]


class DivergenceDetector:
    """`fit` on benign images, then `score`, `p_value`, `explain`, `detect`.

    Args:
        bundle: gives layers, distributions and readings.
        name: a key of `DETECTORS`.
        calibration: from an earlier `fit`, or None.

    Raises:
        BadRequestError: no such detector.
    """

    def __init__(self, bundle: Observed, name: str, calibration: Calibration | None = None) -> None:
        if name not in DETECTORS:
            raise BadRequestError(f"unknown detector '{name}': choose {', '.join(DETECTORS)}")
        self.bundle = bundle
        self.name = name
        self._fitted = calibration

    @property
    def calibration(self) -> Calibration:
        """Benign scores.

        Raises:
            BundleError: `fit` was not called.
        """
        if self._fitted is None:
            raise BundleError(f"detector '{self.name}' has no calibration; build the bundle again")
        return self._fitted

    def fit(self, dev: Reading, calibration: Reading) -> DivergenceDetector:
        """Take benign readings of the dev and the calibration split; returns self."""
        ranked = np.sort(self.layer_scores(dev), axis=0)
        layers = self.layer_scores(calibration)
        self._fitted = Calibration(
            dev=ranked,
            layers=layers,
            scores=_combine(layers, ranked).astype(np.float32),
            predicted=calibration.predicted,
        )
        return self

    def reduction(self, layer: str) -> str:
        """`max` for conv layers, because a mean over space hides one changed pixel."""
        return "max" if "max" in self.bundle.reductions(layer) else "value"

    def unit_scores(self, reading: Reading, layer: str) -> NDArray[np.float64]:
        """Score of every unit against the predicted class, (N, units)."""
        reduction = self.reduction(layer)
        values = reading.values(layer, reduction)
        histograms = self.bundle.distributions(layer, reduction)
        found = np.empty(values.shape)
        for label in np.unique(reading.predicted):
            rows = reading.predicted == label
            found[rows] = UNIT_SCORES[self.name](values[rows], histograms, int(label))
        return found

    def layer_scores(self, reading: Reading) -> NDArray[np.float32]:
        """Mean of the top 5% of a layer's units, (N, layers)."""
        return self._measure(reading).layers

    def score(self, reading: Reading) -> NDArray[np.float64]:
        """Image scores (N,), larger = more suspicious."""
        return _combine(self.layer_scores(reading), self.calibration.dev)

    def p_value(self, reading: Reading) -> NDArray[np.float64]:
        """Conformal p-values (N,) among calibration images of the same predicted class."""
        return self.calibration.images.p_values(self.score(reading), reading.predicted)

    def layer_p_values(self, reading: Reading) -> NDArray[np.float64]:
        """Conformal p-value of every layer's score alone, (N, layers)."""
        return self._layer_p_values(self.layer_scores(reading), reading.predicted)

    def calibration_scores(self, label: int) -> NDArray[np.floating]:
        """Sorted image scores of calibration images predicted as `label`."""
        return self.calibration.images.benign(label)

    def detect(self, pixels: NDArray[np.uint8], alpha: float = 0.05) -> list[Verdict]:
        """Verdicts on images uint8 (N, H, W, C) at false-positive rate alpha.

        Raises:
            BadRequestError: alpha is outside (0, 1).
        """
        check_alpha(alpha)
        return self.explain(self.bundle.read(pixels), alpha)

    def explain(self, reading: Reading, alpha: float = 0.05) -> list[Verdict]:
        """Verdicts on images that were read already."""
        measured = self._measure(reading)
        raw = measured.layers
        scores = _combine(raw, self.calibration.dev)
        p_values = self.calibration.images.p_values(scores, reading.predicted)
        layer_p = self._layer_p_values(raw, reading.predicted)
        parts = _layer_parts(raw, self.calibration.dev) / raw.shape[1]
        evidence = self._evidence(reading, measured, parts)
        typical = self._typicality(reading)
        verdicts = []
        for i, label in enumerate(reading.predicted.tolist()):
            verdicts.append(
                Verdict.of(
                    self.calibration.images,
                    alpha,
                    predicted=label,
                    confidence=float(reading.probabilities[i, label]),
                    score=float(scores[i]),
                    p_value=float(p_values[i]),
                    layers=tuple(
                        LayerScore(
                            layer, float(raw[i, j]), float(layer_p[i, j]), float(parts[i, j])
                        )
                        for j, layer in enumerate(self.bundle.layers)
                    ),
                    units=tuple(evidence[i]),
                    typicality=None if typical is None else float(typical[i]),
                )
            )
        return verdicts

    def _measure(self, reading: Reading) -> _Measured:
        units = {layer: self.unit_scores(reading, layer) for layer in self.bundle.layers}
        layers = np.stack([top_mean(units[layer]) for layer in self.bundle.layers], axis=1)
        # Calibration is stored as float32; the same rounding keeps ties ties.
        return _Measured(units, layers.astype(np.float32))

    def _layer_p_values(
        self, layers: NDArray[np.float32], predicted: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        columns = zip(self.calibration.by_layer, layers.T, strict=True)
        return np.stack([known.p_values(scores, predicted) for known, scores in columns], 1)

    def _typicality(self, reading: Reading) -> NDArray[np.float64] | None:
        """See `Verdict.typicality`, (N,)."""
        last = self.bundle.layers[-1]
        if self.bundle.reductions(last) != ("value",):
            return None
        if not np.array_equal(reading.values(last, "value"), reading.logits):
            return None
        return typicality(reading.logits, self.bundle.distributions(last, "value"))

    def _evidence(
        self, reading: Reading, measured: _Measured, parts: NDArray[np.float64]
    ) -> list[list[UnitEvidence]]:
        rows: list[list[UnitEvidence]] = [[] for _ in range(len(parts))]
        for j, layer in enumerate(self.bundle.layers):
            reduction = self.reduction(layer)
            values = reading.values(layer, reduction)
            histograms = self.bundle.distributions(layer, reduction)
            scores = measured.units[layer]
            count = max(1, round(TOP_SHARE * scores.shape[1]))
            for i, label in enumerate(reading.predicted.tolist()):
                top = np.argsort(-scores[i], kind="stable")[:count]
                total = scores[i, top].sum()
                tails = tail_p(values[i : i + 1], histograms, label)[0]
                rows[i] += [
                    UnitEvidence(
                        layer=layer,
                        unit=int(unit),
                        reduction=reduction,
                        activation=float(values[i, unit]),
                        class_median=float(histograms.medians()[label, unit]),
                        p_value=float(tails[unit]),
                        contribution=float(parts[i, j] * scores[i, unit] / total)
                        if total > 0
                        else 0.0,
                    )
                    for unit in top
                ]
        return [sorted(row, key=lambda unit: -unit.contribution)[:EVIDENCE] for row in rows]


def load_detector(bundle: Observed, name: str = "wasserstein") -> DivergenceDetector:
    """The calibrated detector of a bundle.

    Raises:
        BadRequestError: no such detector.
        BundleError: the bundle has no calibration for it.
    """
    detector = DivergenceDetector(bundle, name, bundle.calibrations.get(name))
    _ = detector.calibration  # missing ones are refused here and not at the first image
    return detector


def _layer_parts(layers: NDArray[np.floating], dev: NDArray[np.floating]) -> NDArray[np.float64]:
    """-ln of each layer score's rank p among the sorted dev scores, (N, layers)."""
    parts = np.empty(layers.shape)
    for j in range(layers.shape[1]):
        at_least = len(dev) - np.searchsorted(dev[:, j], layers[:, j], side="left")
        parts[:, j] = -np.log((1 + at_least) / (len(dev) + 1))
    return parts


def _combine(layers: NDArray[np.float32], dev: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(_layer_parts(layers, dev).mean(1), np.float64)
