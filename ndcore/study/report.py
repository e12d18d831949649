"""From scores to the document of a study: every figure with its n and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.detectors.scoring.detector import FeatureDetector, Measured
from ndcore.statistics.conformal import fpr_band
from ndcore.statistics.roc import (
    aupr,
    auroc,
    bootstrap_auroc,
    fpr_at_tpr,
    matching_weights,
    pooled_band,
    rate,
    realised_band,
)
from ndcore.study.measured.image_sets import ImageSet

ALPHAS = (0.01, 0.05, 0.1)
MAIN_ALPHA = 0.05


@dataclass(frozen=True)
class Scored:
    """A set as one detector sees it.

    Attributes:
        images: the set.
        predicted: int64 (n,); confidence: float64 (n,), probability of that class.
        scores, p: float64 (n,).
    """

    images: ImageSet
    predicted: NDArray[np.int64]
    confidence: NDArray[np.float64]
    scores: NDArray[np.float64]
    p: NDArray[np.float64]

    @classmethod
    def of(cls, detector: FeatureDetector, images: ImageSet, measured: Measured) -> Scored:
        """Score a set with a fitted detector."""
        features = measured.features
        scores = detector.score(measured)
        return cls(
            images=images,
            predicted=features.predicted,
            confidence=features.probabilities.max(1),
            scores=scores,
            p=detector.p_of(scores, features.predicted),
        )


def attack_figures(
    benign: Scored, attacked: Scored, classes: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """One detector on one kind of attack.

    Args:
        benign: images of the evaluation split, misclassified ones included.
        attacked: successes made from that split.
        classes: names.
        seed: of the bootstrap.
    """
    right = benign.predicted == benign.images.labels
    weights, comparable = matching_weights(benign.confidence, attacked.confidence)
    keys = benign.images.ids
    low, high = bootstrap_auroc(
        benign.scores, attacked.scores, keys, attacked.images.ids, seed=seed
    )
    against = {}
    for name, rows in (("benign-correct", right), ("benign-misclassified", ~right)):
        against[name] = {
            "auroc": auroc(benign.scores[rows], attacked.scores),
            "ci95": list(
                bootstrap_auroc(
                    benign.scores[rows],
                    attacked.scores,
                    [key for key, kept in zip(keys, rows, strict=True) if kept],
                    attacked.images.ids,
                    seed=seed,
                )
            ),
            "n": int(rows.sum()),
        }
    matched = [key for key, kept in zip(attacked.images.ids, comparable, strict=True) if kept]
    against["confidence-matched"] = {
        "auroc": auroc(benign.scores, attacked.scores[comparable], weights),
        "ci95": list(
            bootstrap_auroc(
                benign.scores,
                attacked.scores[comparable],
                keys,
                matched,
                benign_weights=weights,
                seed=seed,
            )
        ),
        "n": int(np.count_nonzero(weights)),
        "attacked": int(comparable.sum()),
    }
    twin = dict(zip(keys, benign.scores, strict=True))
    pairs = [
        float(np.sign(score - twin[key])) / 2 + 0.5
        for key, score in zip(attacked.images.ids, attacked.scores, strict=True)
        if key in twin
    ]
    flagged = {str(alpha): rate(attacked.p <= alpha) for alpha in ALPHAS}
    return {
        "n": len(attacked.scores),
        "auroc": auroc(benign.scores, attacked.scores),
        "ci95": [low, high],
        "against": against,
        "aupr": aupr(benign.scores, attacked.scores),
        "base_rate": len(attacked.scores) / (len(attacked.scores) + len(benign.scores)),
        "fpr_at_95_tpr": fpr_at_tpr(benign.scores, attacked.scores),
        "above_own_original": float(np.mean(pairs)) if pairs else None,
        "tpr_at_fpr": {alpha: found["rate"] for alpha, found in flagged.items()},
        "tpr_ci95": {alpha: found["ci95"] for alpha, found in flagged.items()},
        "per_class": {
            name: rate(attacked.p[attacked.predicted == c] <= MAIN_ALPHA)
            for c, name in enumerate(classes)
            if (attacked.predicted == c).any()
        },
    }


def benign_figures(
    detector: FeatureDetector, benign: Scored, classes: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Realised false-positive rates beside the bands they should lie in.

    `band` is where 95 of 100 such rates lie, given the numbers of calibration and of evaluation
    images; per class it is wide enough for all classes to lie inside together 95 times of 100
    (Bonferroni). `true_rate_band` is that of the rate on endlessly many images.
    """
    level = 1 - 0.05 / len(classes)
    numbers = [len(detector.calibration.images.benign(c)) for c in range(len(classes))]
    seen = [int((benign.predicted == c).sum()) for c in range(len(classes))]
    pooled: dict[str, Any] = {}
    for alpha in ALPHAS:
        low, high = pooled_band(numbers, seen, alpha, seed)
        found = rate(benign.p <= alpha)
        pooled[str(alpha)] = found | {"band": [low, high], "inside": _inside(found, low, high)}
    per_class: dict[str, dict[str, Any]] = {}
    for c, name in enumerate(classes):
        rows = benign.predicted == c
        per_class[name] = {"calibration": numbers[c]}
        for alpha in ALPHAS:
            low, high = realised_band(numbers[c], seen[c], alpha, level)
            found = rate(benign.p[rows] <= alpha)
            per_class[name][str(alpha)] = found | {
                "band": [low, high],
                "true_rate_band": list(fpr_band(numbers[c], alpha)),
                "inside": _inside(found, low, high),
            }
    return {"pooled": pooled, "per_class": per_class}


def _inside(found: Mapping[str, Any], low: float, high: float) -> bool:
    return found["rate"] is None or low - 1e-12 <= found["rate"] <= high + 1e-12


def evasion_figures(attacked: Scored) -> dict[str, Any]:
    """What an attack achieves against a detector, over all images attacked.

    Returns:
        `success` flipped; `detected` flagged among these; `evasion` flipped and not flagged;
        `queries_mean` per success. Rates over attacked images are None where their number is
        unknown.
    """
    caught = attacked.p <= MAIN_ALPHA
    tried, won = attacked.images.attacked, len(caught)
    missed = int((~caught).sum())
    if tried < won:  # a part of a larger set of successes
        tried = 0
    return {
        "attacked": tried or None,
        "success": rate(np.arange(tried) < won) if tried else None,
        "detected": rate(caught),
        "evasion": rate(np.arange(tried) < missed) if tried else None,
        "queries_mean": float(attacked.images.queries.mean()),
    }


def localisation(detector: Scored, images: ImageSet, measured: Measured) -> dict[str, Any] | None:
    """How often the changed pixel is the suspect, and the repaired label the true one.

    None for a set whose images have no single changed pixel.
    """
    known = (images.where >= 0).all(1)
    if not known.any() or measured.repairs is None:
        return None
    found = (measured.repairs.suspect == images.where).all(1)
    restored = measured.repairs.repaired == images.labels
    caught = detector.p <= MAIN_ALPHA
    spots = measured.features.position_at[:, :1] if measured.features.position_at.size else None
    document = {
        "suspect_is_the_pixel": rate(found[known]),
        "suspect_is_the_pixel_when_detected": rate(found[known & caught]),
        "repaired_label_is_true": rate(restored[known]),
        "repaired_label_is_true_when_detected": rate(restored[known & caught]),
    }
    if spots is not None:
        near = np.abs(spots[:, 0] - images.where).max(1) <= 1
        document["first_layer_spot_is_at_the_pixel"] = rate(near[known])
    return document
