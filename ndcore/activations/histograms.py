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
FEW = 8  # bins per value: where there are more, values are added one by one


@dataclass(frozen=True)
class ClassHistograms:
    """Counts per class, unit and bin of one layer and one reduction.

    Attributes:
        counts: integers (held classes, units, 1 + bins). Index 0 counts exact zeros, the rest
            counts equal bins from `lo` to `hi`; values beyond them are in the outer bins.
        lo, hi: float32 (units,), the range of each unit, shared by all classes; lo < hi.
        held: positions of the classes that `counts` has a row for, ascending; () for all.
        classes: how many there are in all; 0 for as many as are held.
    """

    counts: NDArray[np.integer]
    lo: NDArray[np.float32]
    hi: NDArray[np.float32]
    held: tuple[int, ...] = ()
    classes: int = 0

    def __post_init__(self) -> None:
        if not self.classes:
            object.__setattr__(self, "classes", len(self.counts))
        if not self.held:
            object.__setattr__(self, "held", tuple(range(len(self.counts))))

    @classmethod
    def empty(
        cls,
        classes: int,
        sample: NDArray[np.float32],
        labels: NDArray[np.integer] | None = None,
        bins: int = BINS,
    ) -> ClassHistograms:
        """No counts yet; the ranges come from `sample`, values float32 (N, units).

        A range starts at 0, or below it where the sample does, and leaves 5% above its maximum. A
        unit whose values lie far from 0, `FAR` times as far as they spread, is ranged around them.

        Args:
            classes: how many there are.
            sample: as above.
            labels: of all images that will be counted: other classes take no memory, and the
                integers are no wider than these need. Default: any class, any number.
            bins: a power of 2, at most `BINS`.
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
        held = tuple(range(classes))
        dtype: np.dtype[np.integer] = np.dtype(np.int64)
        if labels is not None:
            held, dtype = held_by(labels), count_type(labels)
        counts = np.zeros((len(held), sample.shape[1], 1 + bins), dtype)
        return cls(counts, low.astype(np.float32), high.astype(np.float32), held, classes)

    @property
    def units(self) -> int:
        """Number of units."""
        return int(self.counts.shape[1])

    @property
    def bins(self) -> int:
        """Number of bins between `lo` and `hi`."""
        return int(self.counts.shape[2]) - 1

    @cached_property
    def n(self) -> NDArray[np.int64]:
        """Images counted per class, (classes,)."""
        found = np.zeros(self.classes, np.int64)
        found[list(self.held)] = self.counts[:, 0].sum(-1)
        return found

    @cached_property
    def _row(self) -> dict[int, int]:
        return {label: row for row, label in enumerate(self.held)}

    def of(self, labels: Sequence[int] | None = None) -> NDArray[np.int64]:
        """Counts (labels, units, 1 + bins) of some classes, default all; zeros where none are held.

        What all of a thousand classes say takes much memory: ask for those that are needed.
        """
        chosen = range(self.classes) if labels is None else labels
        found = np.zeros((len(chosen), *self.counts.shape[1:]), np.int64)
        for at, label in enumerate(chosen):
            if label in self._row:
                found[at] = self.counts[self._row[label]]
        return found

    def bin_of(self, values: NDArray[np.float32]) -> NDArray[np.int64]:
        """Bin index (N, units) in 0 ... bins of values float32 (N, units)."""
        position = (values - self.lo) * (self.bins / (self.hi - self.lo))
        index = np.clip(position, 0, self.bins - 1).astype(np.int64) + 1
        index[values == 0] = 0
        return index

    def update(self, values: NDArray[np.float32], labels: NDArray[np.integer]) -> ClassHistograms:
        """Count values float32 (N, units) under labels (N,), in place; returns self.

        Raises:
            ValueError: a value is not finite, a class is not held, or has more images than its
                integers count.
        """
        if not np.isfinite(values).all():
            raise ValueError("activations must be finite")
        width = 1 + self.bins
        most = np.iinfo(self.counts.dtype).max
        index = self.bin_of(values) + np.arange(self.units) * width
        for label in np.unique(labels).tolist():
            if label not in self._row:
                raise ValueError(f"class {label} is not counted here")
            flat = index[labels == label].ravel()
            counts = self.counts[self._row[label]].reshape(-1)
            if int(counts[:width].sum()) + len(flat) // self.units > most:
                raise ValueError(f"class {label} has more than {most} images")
            # A few images touch few bins; many are counted at once.
            if FEW * len(flat) < len(counts):
                np.add.at(counts, flat, np.ones(1, counts.dtype))
            else:
                counts += np.bincount(flat, minlength=len(counts)).astype(counts.dtype)
        for derived in ("n", "_medians"):
            self.__dict__.pop(derived, None)
        return self

    def merge(self, other: ClassHistograms) -> ClassHistograms:
        """The histogram of both data sets.

        Raises:
            ValueError: the edges or the classes differ.
        """
        if not (np.array_equal(self.lo, other.lo) and np.array_equal(self.hi, other.hi)):
            raise ValueError("histograms over different edges cannot be merged")
        if (self.held, self.classes, self.bins) != (other.held, other.classes, other.bins):
            raise ValueError("histograms of different classes or bins cannot be merged")
        counts = np.add(self.counts, other.counts, dtype=np.int64)
        return ClassHistograms(counts, self.lo, self.hi, self.held, self.classes)

    def centres(self) -> NDArray[np.float64]:
        """Value that stands for each bin, (units, 1 + bins); 0 for the zero bin."""
        width = (self.hi.astype(np.float64) - self.lo) / self.bins
        bins = self.lo[:, None] + width[:, None] * (np.arange(self.bins) + 0.5)
        return np.concatenate([np.zeros((self.units, 1)), bins], axis=1)

    @cached_property
    def order(self) -> NDArray[np.int16]:
        """Bins by ascending value, (units, 1 + bins): the zero bin finds its place among them."""
        found = np.argsort(self.centres(), axis=1, kind="stable")
        return found.astype(np.int16)

    def edges(self) -> NDArray[np.float64]:
        """Bin edges (units, bins + 1)."""
        steps = np.arange(self.bins + 1) / self.bins
        return self.lo[:, None] + (self.hi.astype(np.float64) - self.lo)[:, None] * steps

    def zero_share(self, labels: Sequence[int] | None = None) -> NDArray[np.float32]:
        """Share of exact zeros, (labels, units), default of all classes."""
        chosen = list(range(self.classes) if labels is None else labels)
        found = np.zeros((len(chosen), self.units), np.float32)
        for at, label in enumerate(chosen):
            if label in self._row:
                zeros = self.counts[self._row[label], :, 0]
                found[at] = zeros / max(int(self.n[label]), 1)
        return found

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

    def quantiles(
        self, qs: Sequence[float], labels: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        """Quantiles per class and unit, (len(qs), labels, units); exact to one bin width.

        Within a bin values are taken as evenly spread. Classes without images give 0.

        Args:
            qs: in [0, 1].
            labels: positions of classes; default all.

        Raises:
            BadRequestError: a q is outside [0, 1].
        """
        wrong = [q for q in qs if not 0 <= q <= 1]
        if wrong:
            raise BadRequestError(f"a quantile lies in [0, 1], got {wrong[0]}")
        chosen = list(range(self.classes) if labels is None else labels)
        found = np.zeros((len(qs), len(chosen), self.units), np.float32)
        ends = self._ends
        # One after the other: what all classes need at once has no bound.
        for at, label in enumerate(chosen):
            if self.n[label]:
                found[:, at] = self._quantiles_of(label, qs, *ends)
        return found

    def _quantiles_of(
        self,
        label: int,
        qs: Sequence[float],
        below: NDArray[np.float64],
        above: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        ordered = np.take_along_axis(self.counts[self._row[label]], self.order, -1)
        total = ordered.cumsum(-1)
        units = np.arange(self.units)
        found = np.zeros((len(qs), self.units), np.float32)
        for place, q in enumerate(qs):
            target = max(q * int(self.n[label]), 0.5)
            at = np.minimum((total < target).sum(-1), self.bins)
            count = ordered[units, at]
            share = (target - (total[units, at] - count)) / np.maximum(count, 1)
            start, end = below[units, at], above[units, at]
            found[place] = start + np.clip(share, 0, 1) * (end - start)
        return found

    @cached_property
    def _ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Each bin's ends (units, 1 + bins), the zero bin at its place by value."""
        edges = self.edges()
        zeros = np.zeros((self.units, 1))
        below = np.concatenate([zeros, edges[:, :-1]], 1)
        above = np.concatenate([zeros, edges[:, 1:]], 1)
        return (
            np.take_along_axis(below, self.order, 1),
            np.take_along_axis(above, self.order, 1),
        )

    def pmf(self, bins: int, labels: Sequence[int] | None = None) -> NDArray[np.float64]:
        """Smoothed probabilities (labels, units, 1 + bins): (count + 1/2) / (n + bins / 2).

        The addend is that of Krichevsky & Trofimov 1981; arguments as of `joined`.
        """
        joined = self.joined(bins, labels) + 0.5
        return np.asarray(joined / joined.sum(-1, keepdims=True), np.float64)

    def joined(self, bins: int, labels: Sequence[int] | None = None) -> NDArray[np.int64]:
        """Counts (labels, units, 1 + bins) with neighbouring bins joined, zeros still apart.

        Raises:
            BadRequestError: 256, or whatever is the number of bins, is no multiple of `bins`.
        """
        if bins < 1 or self.bins % bins:
            raise BadRequestError(f"the number of bins must divide {self.bins}, got {bins}")
        counts = self.of(labels)
        shape = (*counts.shape[:2], bins, self.bins // bins)
        rest = counts[..., 1:].reshape(shape).sum(-1)
        return np.concatenate([counts[..., :1], rest], -1)

    def axis(self) -> tuple[float, float]:
        """One range for the whole layer that cuts off no more than the top 1% of its units."""
        occupied = np.any(self.counts[..., 1:], axis=0)
        last = self.bins - np.argmax(occupied[:, ::-1], axis=1)
        tops = self.lo + (self.hi - self.lo) * last / self.bins
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
        chosen = list(range(self.classes)) if classes is None else list(classes)
        total = np.zeros((len(chosen), self.units, self.bins + 1))
        np.cumsum(self.of(chosen)[..., 1:], axis=-1, out=total[..., 1:])
        wanted = np.linspace(lo, hi, bins + 1)
        where = (wanted - self.lo[:, None]) / (self.hi - self.lo)[:, None] * self.bins
        where = np.clip(where, 0, self.bins)
        left = np.minimum(where.astype(np.int64), self.bins - 1)
        part = where - left
        at_left = np.take_along_axis(total, left[None], -1)
        at_right = np.take_along_axis(total, left[None] + 1, -1)
        shares = np.diff(at_left + part * (at_right - at_left), axis=-1)
        return np.asarray(shares / np.maximum(self.n[chosen], 1)[:, None, None], np.float32)


def held_by(labels: NDArray[np.integer]) -> tuple[int, ...]:
    """The classes that have images, ascending."""
    return tuple(np.unique(labels).tolist())


def count_type(labels: NDArray[np.integer]) -> np.dtype[np.unsignedinteger]:
    """The narrowest integers that can count the images of every class."""
    most = int(np.bincount(labels).max(initial=0))
    return np.min_scalar_type(most)
