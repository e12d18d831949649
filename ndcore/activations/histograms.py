"""Class histograms: how often a unit took which value on the images of a class.

Counts are integers over edges that were fixed before counting, so that partial histograms merge
in any order to the same bytes, and data sets of any size fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ndcore.errors import BadRequestError

BINS = 256
HEADROOM = 1.05
FAR = 8  # a range that reached from such values to 0 would leave them an eighth of the bins
MARGIN = 0.5  # of the spread, on either side: a sample does not show the outermost values


@dataclass(frozen=True)
class ClassHistograms:
    """Counts per class, unit and bin of one layer and one reduction.

    Attributes:
        counts: integers (classes, units, 1 + BINS). Index 0 counts exact zeros, the rest counts
            `BINS` equal bins from `lo` to `hi`; values beyond them are in the outer bins.
        lo, hi: float32 (units,), the range of each unit, shared by all classes; lo < hi.
    """

    counts: NDArray[np.integer]
    lo: NDArray[np.float32]
    hi: NDArray[np.float32]

    @classmethod
    def empty(cls, classes: int, sample: NDArray[np.float32]) -> ClassHistograms:
        """No counts yet; the ranges come from `sample`, values float32 (N, units).

        A range starts at 0, or below it where the sample does, and leaves 5% above its maximum. A
        unit whose values lie far from 0, `FAR` times as far as they spread, is ranged around them.
        """
        least, most = sample.min(0).astype(np.float64), sample.max(0).astype(np.float64)
        spread = most - least
        far = np.maximum(least, -most) > FAR * spread
        # A constant unit says nothing about its own spread, unless it is 0.
        far &= spread > 0
        low = np.where(far, least - MARGIN * spread, np.minimum(least, 0) * HEADROOM)
        high = np.where(far, most + MARGIN * spread, np.maximum(most, 0) * HEADROOM)
        # A unit that was silent in the sample still needs room: a hundredth of the layer's range.
        room = max(float((high - low).max()) / 100, 1e-6)
        high = np.where((high - low < room) & ~far, low + room, high)
        # As float32 the ends must still differ.
        high = np.maximum(high, low + 1e-5 * np.maximum(np.abs(low), np.abs(high)))
        shape = (classes, sample.shape[1], 1 + BINS)
        return cls(np.zeros(shape, np.int64), low.astype(np.float32), high.astype(np.float32))

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.counts.shape[1])

    @cached_property
    def n(self) -> NDArray[np.int64]:
        """Images counted per class, (classes,)."""
        return np.asarray(self.counts[:, 0].sum(-1), np.int64)

    def bin_of(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Bin index (N, units) in 0 ... BINS of values float32 (N, units)."""
        position = (values - self.lo) * (BINS / (self.hi - self.lo))
        index = np.clip(position, 0, BINS - 1).astype(np.int64) + 1
        index[values == 0] = 0
        return index

    def update(self, values: NDArray[np.float32], labels: NDArray[np.integer]) -> ClassHistograms:
        """Count values float32 (N, units) under labels (N,), in place; returns self.

        Raises:
            ValueError: a value is not finite.
        """
        if not np.isfinite(values).all():
            raise ValueError("activations must be finite")
        width = 1 + BINS
        index = self.bin_of(values) + np.arange(self.units) * width
        for label in np.unique(labels):
            flat = index[labels == label].ravel()
            added = np.bincount(flat, minlength=self.units * width)
            self.counts[label] += added.reshape(self.units, width)
        for derived in ("n", "_medians"):
            self.__dict__.pop(derived, None)
        return self

    def merge(self, other: ClassHistograms) -> ClassHistograms:
        """The histogram of both data sets.

        Raises:
            ValueError: the edges differ.
        """
        if not (np.array_equal(self.lo, other.lo) and np.array_equal(self.hi, other.hi)):
            raise ValueError("histograms over different edges cannot be merged")
        return ClassHistograms(self.counts + other.counts, self.lo, self.hi)

    def centres(self) -> NDArray[np.float64]:
        """Value that stands for each bin, (units, 1 + BINS); 0 for the zero bin."""
        width = (self.hi.astype(np.float64) - self.lo) / BINS
        bins = self.lo[:, None] + width[:, None] * (np.arange(BINS) + 0.5)
        return np.concatenate([np.zeros((self.units, 1)), bins], axis=1)

    @cached_property
    def order(self) -> NDArray[np.int16]:
        """Bins by ascending value, (units, 1 + BINS): the zero bin finds its place among them."""
        found = np.argsort(self.centres(), axis=1, kind="stable")
        return found.astype(np.int16)

    def edges(self) -> NDArray[np.float64]:
        """Bin edges (units, BINS + 1)."""
        steps = np.arange(BINS + 1) / BINS
        return self.lo[:, None] + (self.hi.astype(np.float64) - self.lo)[:, None] * steps

    def zero_share(self) -> NDArray[np.float32]:
        """Share of exact zeros, (classes, units)."""
        return (self.counts[..., 0] / np.maximum(self.n, 1)[:, None]).astype(np.float32)

    def medians(self) -> NDArray[np.float32]:
        """Median per class and unit, (classes, units); exact to one bin width."""
        return self._medians

    @cached_property
    def _medians(self) -> NDArray[np.float32]:
        return self.quantile(0.5)

    def quantile(self, q: float) -> NDArray[np.float32]:
        """Quantile per class and unit, (classes, units); see `quantiles`."""
        found: NDArray[np.float32] = self.quantiles([q])[0]
        return found

    def quantiles(self, qs: Sequence[float]) -> NDArray[np.float32]:
        """Quantiles per class and unit, (len(qs), classes, units); exact to one bin width.

        Within a bin values are taken as evenly spread. Classes without images give 0.

        Raises:
            BadRequestError: a q is outside [0, 1].
        """
        wrong = [q for q in qs if not 0 <= q <= 1]
        if wrong:
            raise BadRequestError(f"a quantile lies in [0, 1], got {wrong[0]}")
        ordered, below, above = self._in_order()
        total = ordered.cumsum(-1)
        units = np.arange(self.units)[None, :]
        found = np.zeros((len(qs), *self.counts.shape[:2]), np.float32)
        for place, q in enumerate(qs):
            target = np.maximum(q * self.n, 0.5)[:, None]
            at = np.minimum((total < target[..., None]).sum(-1), BINS)
            count = np.take_along_axis(ordered, at[..., None], -1)[..., 0]
            before = np.take_along_axis(total, at[..., None], -1)[..., 0] - count
            share = (target - before) / np.maximum(count, 1)
            start, end = below[units, at], above[units, at]
            value = start + np.clip(share, 0, 1) * (end - start)
            found[place] = np.where(self.n[:, None] > 0, value, 0)
        return found

    def _in_order(
        self,
    ) -> tuple[NDArray[np.integer], NDArray[np.float64], NDArray[np.float64]]:
        """Counts with the zero bin at its place by value, and each bin's ends (units, 1 + BINS)."""
        edges = self.edges()
        zeros = np.zeros((self.units, 1))
        below = np.concatenate([zeros, edges[:, :-1]], 1)
        above = np.concatenate([zeros, edges[:, 1:]], 1)
        order = self.order
        return (
            np.take_along_axis(self.counts, order[None], -1),
            np.take_along_axis(below, order, 1),
            np.take_along_axis(above, order, 1),
        )

    def pmf(self, bins: int) -> NDArray[np.float64]:
        """Smoothed probabilities (classes, units, 1 + bins): (count + 1/2) / (n + bins / 2).

        The addend is that of Krichevsky & Trofimov 1981; `bins` as in `joined`.
        """
        joined = self.joined(bins) + 0.5
        return np.asarray(joined / joined.sum(-1, keepdims=True), np.float64)

    def joined(self, bins: int) -> NDArray[np.integer]:
        """Counts (classes, units, 1 + bins) with neighbouring bins joined, zeros still apart.

        Raises:
            BadRequestError: 256 is no multiple of `bins`.
        """
        if bins < 1 or BINS % bins:
            raise BadRequestError(f"the number of bins must divide {BINS}, got {bins}")
        shape = (*self.counts.shape[:2], bins, BINS // bins)
        rest = self.counts[..., 1:].reshape(shape).sum(-1)
        return np.concatenate([self.counts[..., :1], rest], -1)

    def axis(self) -> tuple[float, float]:
        """One range for the whole layer that cuts off no more than the top 1% of its units."""
        occupied = self.counts[..., 1:].sum(0) > 0
        last = BINS - np.argmax(occupied[:, ::-1], axis=1)
        tops = self.lo + (self.hi - self.lo) * last / BINS
        tops = np.where(occupied.any(1), tops, 0)
        low = float(np.quantile(np.where(occupied.any(1), self.lo, 0), 0.01))
        high = float(np.quantile(tops, 0.99))
        return low, max(high, low + 1e-6)

    def on_common_axis(
        self, lo: float, hi: float, bins: int = 64, classes: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        """Shares of a class's images per bin of one axis for all units.

        Args:
            lo, hi: the axis; what lies beyond is left out.
            bins: number of bins on it.
            classes: class positions; default all.

        Returns:
            float32 (classes, units, bins). Exact zeros are not included. A bin that straddles
            two bins of the axis is split between them by length.
        """
        chosen = list(range(len(self.counts))) if classes is None else list(classes)
        total = np.zeros((len(chosen), self.units, BINS + 1))
        np.cumsum(self.counts[chosen, :, 1:], axis=-1, out=total[..., 1:])
        wanted = np.linspace(lo, hi, bins + 1)
        where = (wanted - self.lo[:, None]) / (self.hi - self.lo)[:, None] * BINS
        where = np.clip(where, 0, BINS)
        left = np.minimum(where.astype(np.int64), BINS - 1)
        part = where - left
        at_left = np.take_along_axis(total, left[None], -1)
        at_right = np.take_along_axis(total, left[None] + 1, -1)
        shares = np.diff(at_left + part * (at_right - at_left), axis=-1)
        return np.asarray(shares / np.maximum(self.n[chosen], 1)[:, None, None], np.float32)
