"""What the Activation view draws of one layer, as compact arrays.

The densities are 8-bit opacities: a browser redraws, sorts and recolours hundreds of units from
them without asking the server again.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ndcore.activations.divergence import (
    Scales,
    class_scales,
    class_separation,
    excess_of_each,
    rank_share,
)
from ndcore.activations.histograms import ClassHistograms

BINS = 64
GAMMA = 0.5
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
COMPRESSION = 1  # the fastest; the bytes mostly travel a short way
MOST_SAMPLED = 32  # classes that tell which share is opaque
MOST_KEPT = 128  # classes, and pairs of them, that a layer remembers


@dataclass(frozen=True)
class Panel:
    """Distributions of K classes over the U units of one layer, as they are drawn.

    Attributes:
        layer, reduction: what is shown.
        low, high: ends of the axis that all units of the layer share.
        reference: share of a class's images in one bin that is drawn fully opaque.
        quantiles: float32 (len(QUANTILES), K, U).
        density: uint8 (K, U, BINS), 255 * sqrt(share / reference).
        zero_share: float32 (K, U), share of images with exactly 0.
        names: a name per unit, or () where units have numbers only.
    """

    layer: str
    reduction: str
    low: float
    high: float
    reference: float
    quantiles: NDArray[np.float32]
    density: NDArray[np.uint8]
    zero_share: NDArray[np.float32]
    names: tuple[str, ...]


@dataclass(frozen=True)
class LayerPanel(Panel):
    """One layer of the Activation view for the K shown classes and I single images.

    Attributes:
        values: float32 (I, U).
        divergence: float32 (I, K, U), excess Wasserstein-1 of an image from a class, in spreads
            of the class.
        separation: float32 (K (K - 1) / 2, U), pairs in the order of `itertools.combinations`.
        rank: float32 (I, K, U), share of the class's images below the value.
    """

    values: NDArray[np.float32]
    divergence: NDArray[np.float32]
    separation: NDArray[np.float32]
    rank: NDArray[np.float32]

    @property
    def medians(self) -> NDArray[np.float32]:
        """Median per class and unit, (K, U)."""
        return np.asarray(self.quantiles[QUANTILES.index(0.5)])


@dataclass(frozen=True)
class _ClassRow:
    """What is drawn of one class; arrays as in `Panel`, without the class."""

    quantiles: NDArray[np.float32]
    density: NDArray[np.uint8]
    zero_share: NDArray[np.float32]
    scales: Scales


class ClassPanel:
    """A layer whose classes are prepared when they are first shown: there may be a thousand.

    Args:
        layer, reduction: what the histograms were taken at.
        histograms: of all classes.
        names: a name per unit, or nothing.
    """

    def __init__(
        self, layer: str, reduction: str, histograms: ClassHistograms, names: Sequence[str] = ()
    ) -> None:
        self.layer, self.reduction, self.names = layer, reduction, tuple(names)
        self.histograms = histograms
        self.low, self.high = histograms.axis()
        held = histograms.held
        sample = held[:: -(-len(held) // MOST_SAMPLED)] if held else ()
        self.reference = reference_of(self._shares(sample))
        self._rows: dict[int, _ClassRow] = {}
        self._separations: dict[tuple[int, int], NDArray[np.float32]] = {}

    def show(self, classes: Sequence[int], values: NDArray[np.float32]) -> LayerPanel:
        """The panel of some classes, with single images on it.

        Args:
            classes: positions of the classes to draw.
            values: (I, U), unit values of single images.
        """
        picked, units = list(classes), self.histograms.units
        rows = [self._row(label) for label in picked]
        separation = [self._separation(*pair) for pair in combinations(picked, 2)]
        shape = (len(values), len(picked), units)
        divergence, rank = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        if len(values) and picked:
            scales = Scales(
                *(np.concatenate(each) for each in zip(*map(_parts, rows), strict=True))
            )
            divergence[:] = excess_of_each(values, self.histograms, scales, picked)
            for at, label in enumerate(picked):
                rank[:, at] = rank_share(values, self.histograms, label)
        return LayerPanel(
            layer=self.layer,
            reduction=self.reduction,
            low=self.low,
            high=self.high,
            reference=self.reference,
            quantiles=_stacked([row.quantiles for row in rows], (len(QUANTILES), 0, units), 1),
            values=np.asarray(values, np.float32),
            divergence=divergence,
            separation=_stacked(separation, (0, units)),
            rank=rank,
            density=_stacked([row.density for row in rows], (0, units, BINS)),
            zero_share=_stacked([row.zero_share for row in rows], (0, units)),
            names=self.names,
        )

    def _row(self, label: int) -> _ClassRow:
        found = self._rows.get(label)
        if found is None:
            found = _ClassRow(
                quantiles=self.histograms.quantiles(QUANTILES, [label])[:, 0],
                density=opacities(self._shares([label]), self.reference)[0],
                zero_share=self.histograms.zero_share([label])[0],
                scales=class_scales(self.histograms, [label]),
            )
            if len(self._rows) >= MOST_KEPT:
                self._rows.clear()
            self._rows[label] = found
        return found

    def _separation(self, first: int, second: int) -> NDArray[np.float32]:
        pair = (min(first, second), max(first, second))
        found = self._separations.get(pair)
        if found is None:
            found = class_separation(self.histograms, *pair)
            if len(self._separations) >= MOST_KEPT:
                self._separations.clear()
            self._separations[pair] = found
        return found

    def _shares(self, labels: Sequence[int]) -> NDArray[np.float32]:
        return self.histograms.on_common_axis(self.low, self.high, BINS, labels)


def _parts(row: _ClassRow) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return row.scales.least, row.scales.spread


def _stacked(parts: Sequence[NDArray[Any]], none: tuple[int, ...], axis: int = 0) -> NDArray[Any]:
    """Parts beside each other; of none an array of the shape `none`."""
    return np.stack(parts, axis) if parts else np.zeros(none, np.float32)


def reference_of(shares: NDArray[np.floating]) -> float:
    """The share that is fully opaque: the top 1% of the occupied bins of (K, U, bins) saturate."""
    occupied = shares[shares > 0]
    return float(np.quantile(occupied, 0.99)) if occupied.size else 1.0


def opacities(shares: NDArray[np.floating], reference: float) -> NDArray[np.uint8]:
    """Opacities of shares (K, U, bins); the square root keeps the thin tails visible."""
    scaled = np.clip(shares / max(reference, 1e-9), 0, 1) ** GAMMA
    return np.asarray(np.rint(255 * scaled), np.uint8)


def pack(panels: Sequence[LayerPanel], header: dict[str, Any]) -> bytes:
    """All panels as one zlib stream: header length, JSON header, then the arrays.

    Little-endian; per panel quantiles, values, divergence, separation (float32), then per panel
    rank and zero share (uint16, of 65535), then per panel density (uint8). Wide numbers come
    first and the header is padded, so that a reader can lay typed arrays over the bytes.
    """
    layers = [
        {
            "name": panel.layer,
            "reduction": panel.reduction,
            "low": panel.low,
            "high": panel.high,
            "reference": panel.reference,
            "units": int(panel.density.shape[1]),
            "bins": int(panel.density.shape[2]),
            "names": list(panel.names),
        }
        for panel in panels
    ]
    text = json.dumps(
        {**header, "quantiles": QUANTILES, "layers": layers}, separators=(",", ":")
    ).encode()
    text += b" " * (-len(text) % 4)
    wide = [
        array.astype("<f4").tobytes()
        for panel in panels
        for array in (panel.quantiles, panel.values, panel.divergence, panel.separation)
    ]
    shares = [
        np.rint(65535 * np.clip(array, 0, 1)).astype("<u2").tobytes()
        for panel in panels
        for array in (panel.rank, panel.zero_share)
    ]
    small = [panel.density.tobytes() for panel in panels]
    message = b"".join([struct.pack("<I", len(text)), text, *wide, *shares, *small])
    return zlib.compress(message, COMPRESSION)
