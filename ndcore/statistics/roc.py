"""Figures of merit of scores, with intervals; the positive class is the attacked image.

References:
    Bamber 1975, "The area above the ordinal dominance graph and the area below the receiver
    operating characteristic graph" (ties count one half).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, betabinom

from ndcore.statistics.conformal import rank
from ndcore.statistics.intervals import Rate

BOOTSTRAPS = 1000
MATCHING_BINS = 10


def auroc(
    benign: NDArray[np.floating],
    attacked: NDArray[np.floating],
    benign_weights: NDArray[np.floating] | None = None,
) -> float:
    """Share of (attacked, benign) pairs in which the attacked image scores higher; ties half.

    Args:
        benign: (n,); attacked: (m,).
        benign_weights: (n,), not negative; None for ones.

    Returns:
        In [0, 1]; NaN where either side has no weight, or a score is NaN.
    """
    w = np.ones(len(benign)) if benign_weights is None else benign_weights
    if w.sum() <= 0 or not len(attacked) or _unknown(benign, attacked):
        return float("nan")
    order = np.argsort(benign, kind="stable")
    ordered = benign[order]
    below = np.concatenate([[0], np.cumsum(w[order])])
    left = below[np.searchsorted(ordered, attacked, side="left")]
    right = below[np.searchsorted(ordered, attacked, side="right")]
    return float((left + right).sum() / (2 * len(attacked) * w.sum()))


def _unknown(*scores: NDArray[np.floating]) -> bool:
    return any(np.isnan(each).any() for each in scores)


def bootstrap_auroc(
    benign: NDArray[np.floating],
    attacked: NDArray[np.floating],
    benign_keys: Sequence[str],
    attacked_keys: Sequence[str],
    *,
    benign_weights: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> tuple[float, float]:
    """95% percentile interval of the AUROC, resampling source images.

    A benign image and all that was made of it are drawn, or left out, together.

    Args:
        benign, attacked: scores (n,) and (m,).
        benign_keys, attacked_keys: source image of each.
        benign_weights: (n,), not negative; None for ones.
        seed: of the `BOOTSTRAPS` draws.
    """
    if not len(benign) or not len(attacked) or _unknown(benign, attacked):
        return float("nan"), float("nan")
    _, which = np.unique(np.array([*benign_keys, *attacked_keys]), return_inverse=True)
    sources, n = int(which.max()) + 1, len(benign)
    order = np.argsort(benign, kind="stable")
    ordered = benign[order]
    left = np.searchsorted(ordered, attacked, side="left")
    right = np.searchsorted(ordered, attacked, side="right")
    rng = np.random.default_rng(seed)
    weights = np.ones(n) if benign_weights is None else benign_weights
    found = []
    for _ in range(BOOTSTRAPS):
        times = np.bincount(rng.integers(0, sources, sources), minlength=sources)
        w, v = (times[which[:n]] * weights)[order], times[which[n:]]
        if w.any() and v.any():
            below = np.concatenate([[0], np.cumsum(w)])
            found.append((v * (below[left] + below[right])).sum() / (2 * v.sum() * w.sum()))
    if not found:
        return float("nan"), float("nan")
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def aupr(benign: NDArray[np.floating], attacked: NDArray[np.floating]) -> float:
    """Average precision; it depends on the base rate m / (n + m), to be stated beside it.

    NaN where either side is empty, or a score is NaN.
    """
    if not len(benign) or not len(attacked) or _unknown(benign, attacked):
        return float("nan")
    # Not at the top: scikit-learn takes half a second, and AUROC and rates do without.
    from sklearn.metrics import average_precision_score

    truth = np.concatenate([np.zeros(len(benign)), np.ones(len(attacked))])
    return float(average_precision_score(truth, np.concatenate([benign, attacked])))


def fpr_at_tpr(
    benign: NDArray[np.floating], attacked: NDArray[np.floating], tpr: float = 0.95
) -> float:
    """Share of benign images flagged by the highest threshold that flags `tpr` of the attacked.

    NaN where either side is empty, or a score is NaN.
    """
    if not len(benign) or not len(attacked) or _unknown(benign, attacked):
        return float("nan")
    needed = int(np.ceil(tpr * len(attacked) - 1e-9))
    cut = np.sort(attacked)[len(attacked) - needed]
    return float(np.mean(benign >= cut))


def matching_weights(
    benign: NDArray[np.floating], attacked: NDArray[np.floating], bins: int = MATCHING_BINS
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Weights that give benign images the attacked images' confidences.

    Args:
        benign, attacked: probabilities of the predicted class, (n,) and (m,).
        bins: of equal numbers of attacked images.

    Returns:
        Weights (n,) that sum, in each bin, to its number of attacked images; and which attacked
        images (m,) have benign ones in their bin to be compared with.
    """
    edges = np.quantile(attacked, np.arange(1, bins) / bins)
    of_benign, of_attacked = np.digitize(benign, edges), np.digitize(attacked, edges)
    there = np.bincount(of_benign, minlength=bins)
    wanted = np.bincount(of_attacked, minlength=bins)
    weights = (wanted / np.maximum(there, 1))[of_benign]
    return weights, there[of_attacked] > 0


def rate(flagged: NDArray[np.bool_]) -> dict[str, Any]:
    """`{rate, ci95, n}` with the Wilson interval; rate is None without images."""
    return Rate(int(flagged.sum()), len(flagged)).to_dict()


def realised_band(
    calibration: int, images: int, alpha: float, level: float = 0.95
) -> tuple[float, float]:
    """Band of the false-positive rate seen on `images` new benign ones of a class.

    The threshold's true rate follows Beta(l, n + 1 - l), the count on new images a binomial.

    Args:
        calibration: benign images that the threshold rests on.
        images: new ones.
        alpha: allowed rate.
        level: share of such rates that lie in the band.
    """
    position = rank(calibration, alpha)
    if position < 1 or not images:
        return 0.0, 0.0
    counts = betabinom(images, position, calibration + 1 - position).ppf(
        [(1 - level) / 2, (1 + level) / 2]
    )
    return float(counts[0] / images), float(counts[1] / images)


def pooled_band(
    calibration: Sequence[int], images: Sequence[int], alpha: float, seed: int = 0
) -> tuple[float, float]:
    """The same over several classes at a time, by 20,000 seeded draws."""
    rng = np.random.default_rng(seed)
    flagged = np.zeros(20_000)
    for n, m in zip(calibration, images, strict=True):
        position = rank(n, alpha)
        if position >= 1 and m:
            true = beta(position, n + 1 - position).rvs(len(flagged), random_state=rng)
            flagged += rng.binomial(m, true)
    low, high = np.quantile(flagged / max(sum(images), 1), [0.025, 0.975])
    return float(low), float(high)
