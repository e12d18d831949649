"""Scores of one value per unit against a class's histogram; larger = more suspicious.

A single image gives one value per unit, a point mass. Against it Wasserstein-1 is a closed form,
and every binned f-divergence (KL among them) is a function of the probability of the value's
bin alone, here the surprisal -ln q.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.histograms import ClassHistograms

SURPRISAL_BINS = 64
FEW = 8  # values per unit that are faster compared with every atom than looked up


class SortedAtoms:
    """Discrete distributions with ascending atoms, one per row, and their running sums.

    Args:
        centres: (units, atoms), in any order.
        weights: (units, atoms), not negative, a positive sum per row.
        order: of the centres, ascending, where it is known.
    """

    def __init__(
        self,
        centres: NDArray[np.floating],
        weights: NDArray[np.floating],
        order: NDArray[np.integer] | None = None,
    ) -> None:
        if order is None:
            order = np.argsort(centres, axis=1, kind="stable")
        self.atoms = np.take_along_axis(np.asarray(centres, np.float64), order, 1)
        mass = np.take_along_axis(np.asarray(weights, np.float64), order, 1)
        mass = mass / mass.sum(1, keepdims=True)
        self.below = np.pad(mass.cumsum(1), ((0, 0), (1, 0)))
        self.moment = np.pad((mass * self.atoms).cumsum(1), ((0, 0), (1, 0)))

    def w1(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """Wasserstein-1 distance of a point to each distribution, E|x - X|, for x (N, units)."""
        x = np.asarray(values, np.float64)
        places = np.empty(x.shape, np.int64)
        if len(x) <= FEW:
            for i, row in enumerate(x):
                places[i] = (self.atoms <= row[:, None]).sum(1)
        else:
            for unit, atoms in enumerate(self.atoms):
                places[:, unit] = np.searchsorted(atoms, x[:, unit], side="right")
        units = np.arange(len(self.atoms))
        share, first = self.below[units, places], self.moment[units, places]
        found: NDArray[np.float64] = x * (2 * share - self.below[:, -1])
        found += self.moment[:, -1]
        found -= 2 * first
        return found

    def least(self) -> NDArray[np.float64]:
        """Smallest E|x - X| over x, (units,): the one at the weighted median, an atom."""
        at = (self.below[:, 1:] < 0.5 * self.below[:, -1:]).sum(1)
        best = np.take_along_axis(self.atoms, at[:, None], 1)[:, 0]
        found: NDArray[np.float64] = self.w1(best[None, :])[0]
        return found


def w1_histograms(
    p: NDArray[np.floating], q: NDArray[np.floating], centres: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Wasserstein-1 distance between two discrete distributions over the same atoms.

    Args:
        p, q: weights (..., atoms).
        centres: (atoms,), ascending.

    Returns:
        float64 (...): the area between the two distribution functions.
    """
    p = p / p.sum(-1, keepdims=True)
    q = q / q.sum(-1, keepdims=True)
    gap = np.abs(np.cumsum(p - q, -1))[..., :-1]
    return np.asarray((gap * np.diff(centres)).sum(-1), np.float64)


def class_spread(histograms: ClassHistograms, label: int) -> NDArray[np.float64]:
    """Robust spread of every unit on a class, (units,): the mean distance from its median.

    Never below a hundredth of the layer's typical spread, so that a unit which hardly ever
    fires cannot divide by almost nothing.
    """
    centres, weights = histograms.centres(), histograms.of([label])[0]
    median = histograms.quantiles([0.5], [label])[0, 0, :, None]
    total = np.maximum(weights.sum(1), 1)
    spread = (np.abs(centres - median) * weights).sum(1) / total
    typical = float(spread.mean())
    return np.asarray(np.maximum(spread, max(0.01 * typical, 1e-9)), np.float64)


def excess_w1(
    values: NDArray[np.floating], histograms: ClassHistograms, label: int
) -> NDArray[np.float64]:
    """How much farther a value lies from the class than its best placed value, in class spreads.

    (W1(x, F) - min W1) / spread: 0 at the median, then growing linearly, so that no single unit
    with long tails rules the score.

    Args:
        values: (N, units).
        histograms: of the layer and reduction the values were taken at.
        label: class to compare with.

    Returns:
        float64 (N, units), not negative.
    """
    weights = histograms.of([label])[0] + 1e-12
    known = SortedAtoms(histograms.centres(), weights, histograms.order)
    return np.maximum(known.w1(values) - known.least(), 0) / class_spread(histograms, label)


@dataclass(frozen=True)
class Scales:
    """What turns distances from a class into excess over its best placed value, in spreads.

    Attributes:
        least: float64 (labels, units), the smallest E|x - X| over x.
        spread: float64 (labels, units), as `class_spread`.
    """

    least: NDArray[np.float64]
    spread: NDArray[np.float64]


def class_scales(histograms: ClassHistograms, labels: Sequence[int]) -> Scales:
    """The scales of some classes, to compare single images with all of them at once."""
    order = histograms.order
    atoms = np.take_along_axis(histograms.centres(), order, 1)
    least = np.empty((len(labels), histograms.units))
    spread = np.empty_like(least)
    for at, label in enumerate(labels):
        mass = np.take_along_axis(histograms.of([label])[0], order, 1) + 1e-12
        total = mass.sum(1)
        middle = (np.cumsum(mass, 1) < 0.5 * total[:, None]).sum(1)
        best = np.take_along_axis(atoms, middle[:, None], 1)
        least[at] = (np.abs(atoms - best) * mass).sum(1) / total
        spread[at] = class_spread(histograms, label)
    return Scales(least, spread)


def excess_of_each(
    values: NDArray[np.floating],
    histograms: ClassHistograms,
    scales: Scales,
    labels: Sequence[int],
) -> NDArray[np.float64]:
    """`excess_w1` against several classes, (N, labels, units); for a few images.

    Args:
        values: (N, units).
        histograms: of the layer and reduction the values were taken at.
        scales: of these classes.
        labels: classes to compare with.
    """
    gaps = np.abs(np.asarray(values, np.float64)[..., None] - histograms.centres())
    found = np.empty((len(values), len(labels), histograms.units))
    for at, label in enumerate(labels):
        counts = histograms.of([label])[0].astype(np.float64)
        distance = np.einsum("nua,ua->nu", gaps, counts) / max(1, int(histograms.n[label]))
        found[:, at] = np.maximum(distance - scales.least[at], 0) / scales.spread[at]
    return found


def class_separation(histograms: ClassHistograms, first: int, second: int) -> NDArray[np.float32]:
    """Wasserstein-1 distance of two classes at every unit, (units,), in units of the activation."""
    order = histograms.order
    steps = np.diff(np.take_along_axis(histograms.centres(), order, 1), axis=1)
    shares = np.take_along_axis(histograms.of([first, second]), order[None], -1).cumsum(-1)
    n = np.maximum(histograms.n[[first, second]], 1)[:, None, None]
    below = (shares[..., :-1] / n).astype(np.float32)
    found = np.einsum("ua,ua->u", np.abs(below[0] - below[1]), steps)
    return np.asarray(found, np.float32)


def surprisal(
    values: NDArray[np.floating], histograms: ClassHistograms, label: int
) -> NDArray[np.float64]:
    """-ln of the smoothed share of the class that falls in the value's bin, in nats, (N, units).

    Exact zeros have a bin of their own; the other bins are joined to 64 at most. This is the form
    that KL(point mass || histogram) takes. The outer bins are open: they hold what lies beyond the
    range, of the class's own images as of others. So a value out there is as surprising as that
    tail is rare, however far it lies; how far, `excess_w1` tells.
    """
    joined = min(SURPRISAL_BINS, histograms.bins)
    table = -np.log(histograms.pmf(joined, [label])[0])
    fine = histograms.bin_of(values.astype(np.float32))
    bins = np.where(fine > 0, (fine - 1) // (histograms.bins // joined) + 1, 0)
    return np.asarray(table[np.arange(histograms.units), bins], np.float64)


def rank_share(
    values: NDArray[np.floating], histograms: ClassHistograms, label: int
) -> NDArray[np.float64]:
    """Share of the class's images that lie below each value, (N, units) in (0, 1).

    Half of the images in the value's own bin count as below it, and the value itself takes
    part as one image.
    """
    counts = histograms.of([label])[0]
    order = histograms.order
    ordered = np.take_along_axis(counts, order, 1)
    before = np.cumsum(ordered, 1) - 0.5 * ordered
    middle = np.empty_like(before)
    np.put_along_axis(middle, order, before, 1)
    bins = histograms.bin_of(values.astype(np.float32))
    n = int(histograms.n[label])
    share = (0.5 + middle[np.arange(histograms.units), bins]) / (n + 1)
    return np.asarray(share, np.float64)


def tail_p(
    values: NDArray[np.floating], histograms: ClassHistograms, label: int
) -> NDArray[np.float64]:
    """Two-sided tail probability of each value under the class, (N, units) in [1/(n+1), 1]."""
    share = rank_share(values, histograms, label)
    n = int(histograms.n[label])
    return np.asarray(np.clip(2 * np.minimum(share, 1 - share), 1 / (n + 1), 1), np.float64)


def top_mean(scores: NDArray[np.floating], share: float = 0.05) -> NDArray[np.float64]:
    """Mean of the largest `share` of the units (at least one): (N, units) -> (N,)."""
    count = max(1, round(share * scores.shape[1]))
    top = np.partition(scores, scores.shape[1] - count, axis=1)[:, -count:]
    return np.asarray(top.mean(1), np.float64)


def layer_divergence(
    values: NDArray[np.floating], histograms: ClassHistograms, label: int
) -> NDArray[np.float64]:
    """How far images lie from a class at one layer: the mean of the top 5% of `excess_w1`.

    This is the Wasserstein detector's layer score, against any class instead of the predicted one.

    Args:
        values: (N, units).
        histograms: of the layer and reduction the values were taken at.
        label: class to compare with.

    Returns:
        float64 (N,), in class spreads, not negative.
    """
    return top_mean(excess_w1(values, histograms, label))


def pair_distance(histograms: ClassHistograms, label: int) -> NDArray[np.float64]:
    """Mean distance |x - x'| of two images of a class at every unit, (units,).

    Means add up, so the sum over units is the mean L1 distance of two such images whatever the
    units have to do with each other.
    """
    weights = histograms.of([label])[0] + 1e-12
    known = SortedAtoms(histograms.centres(), weights, histograms.order)
    below = known.below[:, 1:-1]
    return np.asarray((2 * below * (1 - below) * np.diff(known.atoms, axis=1)).sum(1), np.float64)
