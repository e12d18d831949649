"""What a divergence is made of: layers, the strongest units, and the regime."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.divergence import tail_p
from ndcore.activations.observed import Observed
from ndcore.activations.reading import Reading
from ndcore.detectors.layer_scores import Divergences
from ndcore.detectors.regime import typicality
from ndcore.detectors.verdict import LayerScore, UnitEvidence

TOP_SHARE = 0.05
UNITS = 20


def evidence(
    observed: Observed,
    reading: Reading,
    measured: Divergences,
    parts: NDArray[np.float64],
    layer_p: NDArray[np.float64],
) -> list[dict[str, Any]]:
    """Per image the fields of its `Verdict` from `layers` on.

    Args:
        observed: gives the distributions.
        reading: of N images; measured: its scores.
        parts: (N, layers), what each layer adds to the image's score.
        layer_p: (N, layers), p-value of each layer alone.
    """
    units = _units(observed, reading, measured, parts)
    typical = _typicality(observed, reading)
    return [
        {
            "layers": tuple(
                LayerScore(layer, float(measured.layers[i, j]), float(layer_p[i, j]), float(part))
                for j, (layer, part) in enumerate(zip(observed.layers, parts[i], strict=True))
            ),
            "units": tuple(sorted(units[i], key=lambda unit: -unit.contribution)[:UNITS]),
            "typicality": None if typical is None else float(typical[i]),
        }
        for i in range(len(parts))
    ]


def _units(
    observed: Observed, reading: Reading, measured: Divergences, parts: NDArray[np.float64]
) -> list[list[UnitEvidence]]:
    rows: list[list[UnitEvidence]] = [[] for _ in range(len(parts))]
    for j, layer in enumerate(observed.layers):
        reduction, histograms = observed.judged_by(layer), observed.usual(layer)
        values, scores = reading.values(layer, reduction), measured.units[layer]
        count = max(1, round(TOP_SHARE * scores.shape[1]))
        for i, label in enumerate(reading.predicted.tolist()):
            top = np.argsort(-scores[i], kind="stable")[:count]
            total = scores[i, top].sum()
            tails = tail_p(values[i : i + 1], histograms, label)[0]
            medians = histograms.quantiles([0.5], [label])[0, 0]
            rows[i] += [
                UnitEvidence(
                    layer=layer,
                    unit=int(unit),
                    reduction=reduction,
                    activation=float(values[i, unit]),
                    class_median=float(medians[unit]),
                    p_value=float(tails[unit]),
                    contribution=float(parts[i, j] * scores[i, unit] / total) if total > 0 else 0.0,
                )
                for unit in top
            ]
    return rows


def _typicality(observed: Observed, reading: Reading) -> NDArray[np.float64] | None:
    """See `Verdict.typicality`, (N,)."""
    last = observed.layers[-1]
    if observed.reductions(last) != ("value",):
        return None
    if not np.array_equal(reading.values(last, "value"), reading.logits):
        return None
    return typicality(reading.logits, observed.usual(last))
