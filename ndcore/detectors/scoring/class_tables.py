"""Unit scores of many images against every class at once, from tables made beforehand.

Excess Wasserstein-1 is piecewise linear in the value, surprisal and tail p are constant within a
bin; so each is a gather from a table of the layer. The definitions are those of
`ndcore.activations.divergence`, which serves as their oracle.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.divergence import SURPRISAL_BINS, class_spread
from ndcore.activations.histograms import ClassHistograms

NEVER = 0.01  # a unit above zero on fewer images of a class than this "never fires" for it


class ClassTables:
    """Tables of one layer and reduction.

    Args:
        histograms: counts per class and unit.
    """

    def __init__(self, histograms: ClassHistograms) -> None:
        self._histograms = histograms
        classes = histograms.classes
        self.units, self.classes, self.bins = histograms.units, classes, histograms.bins
        centres = histograms.centres()
        order = np.argsort(centres, axis=1, kind="stable")
        self._atoms = np.take_along_axis(centres, order, 1)
        counted = histograms.of()
        counts = np.take_along_axis(counted, order[None], 2).astype(np.float64)
        # A class without images knows nothing; evenly spread atoms keep its scores finite.
        empty = counts.sum(2, keepdims=True) == 0
        counts = np.where(empty, 1.0, counts)
        mass = counts / counts.sum(2, keepdims=True)
        self._lines = self._w1_lines(mass)
        self._joined = min(SURPRISAL_BINS, histograms.bins)
        pmf = histograms.pmf(self._joined)
        self._surprisal = np.ascontiguousarray(
            -np.log(pmf).transpose(1, 2, 0), dtype=np.float32
        ).reshape(-1, classes)
        self._tail = self._tail_table(counts, order)
        above = counted[..., 1:].sum(2) / np.maximum(histograms.n, 1)[:, None]
        self._never: NDArray[np.bool_] = above < NEVER

    def _w1_lines(self, mass: NDArray[np.float64]) -> NDArray[np.float32]:
        """Slope and intercept of excess W1 left of, between and right of the atoms."""
        ends = ((0, 0), (0, 0), (1, 0))
        below = np.pad(mass.cumsum(2), ends)
        moment = np.pad((mass * self._atoms).cumsum(2), ends)
        spread = np.stack([class_spread(self._histograms, c) for c in range(self.classes)])
        slope = 2 * below - 1
        intercept = moment[..., -1:] - 2 * moment
        at = (below[..., 1:] < 0.5).sum(2)
        best = np.take_along_axis(self._atoms[None], at[..., None], 2)[..., 0]
        least = (
            best * np.take_along_axis(slope, at[..., None] + 1, 2)[..., 0]
            + np.take_along_axis(intercept, at[..., None] + 1, 2)[..., 0]
        )
        lines = np.stack([slope, intercept - least[..., None]], -1) / spread[..., None, None]
        # (classes, units, places, 2) -> (units * places, 2 * classes)
        return np.ascontiguousarray(lines.transpose(1, 2, 3, 0), dtype=np.float32).reshape(
            self.units * (self.bins + 2), 2 * self.classes
        )

    def _tail_table(
        self, counts: NDArray[np.float64], order: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        middle = counts.cumsum(2) - 0.5 * counts
        by_bin = np.empty_like(middle)
        np.put_along_axis(by_bin, np.broadcast_to(order, middle.shape), middle, 2)
        n = counts.sum(2, keepdims=True)
        share = (0.5 + by_bin) / (n + 1)
        found = np.clip(2 * np.minimum(share, 1 - share), 1 / (n + 1), 1)
        return np.asarray(found, np.float32)

    def excess_w1(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """`excess_w1` against every class: (N, units) -> (N, units, classes)."""
        x = np.asarray(values, np.float64)
        low = self._atoms[:, 0], self._atoms[:, -1]
        lo, hi = self._histograms.lo.astype(np.float64), self._histograms.hi.astype(np.float64)
        bins = self.bins
        width = (hi - lo) / bins
        place = np.clip(np.floor((x - lo) / width + 0.5), 0, bins).astype(np.int64) + (x >= 0)
        place = np.where(x < low[0], 0, np.where(x >= low[1], bins + 1, place))
        rows = self._lines[place + np.arange(self.units) * (bins + 2)]
        found = rows[..., : self.classes] * x[..., None].astype(np.float32)
        found += rows[..., self.classes :]
        return np.asarray(np.maximum(found, 0, out=found))

    def surprisal(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """`surprisal` against every class: (N, units, classes), in nats."""
        fine = self._histograms.bin_of(np.asarray(values, np.float32))
        bins = np.where(fine > 0, (fine - 1) // (self.bins // self._joined) + 1, 0)
        return self._surprisal[bins + np.arange(self.units) * (self._joined + 1)]

    def tail_p(
        self, values: NDArray[np.floating], labels: NDArray[np.integer]
    ) -> NDArray[np.float64]:
        """`ndcore.activations.divergence.tail_p` of image i against class labels[i]: (N, units)."""
        bins = self._histograms.bin_of(np.asarray(values, np.float32))
        found = self._tail[np.asarray(labels)[:, None], np.arange(self.units), bins]
        return found.astype(np.float64)

    def newly_firing(
        self, values: NDArray[np.floating], labels: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """How many units fire that (almost) never do for class labels[i], (N,)."""
        fires = np.asarray(values) > 0
        return np.asarray((fires & self._never[np.asarray(labels)]).sum(1), np.int64)


def table_bytes(histograms: ClassHistograms) -> int:
    """Bytes that the tables of these histograms take."""
    lines, tail, surprisal = 2 * (histograms.bins + 2), histograms.bins + 1, SURPRISAL_BINS + 1
    return 4 * histograms.units * histograms.classes * (lines + tail + surprisal)
