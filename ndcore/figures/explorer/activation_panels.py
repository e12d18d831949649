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
class ClassPanel(Panel):
    """A layer with all classes.

    Attributes:
        separation: float32 (K, K, U), Wasserstein-1 between two classes, in activation units.
        histograms, scales: what single images are compared with.
    """

    separation: NDArray[np.float32]
    histograms: ClassHistograms
    scales: Scales

    def show(self, classes: Sequence[int], values: NDArray[np.float32]) -> LayerPanel:
        """The panel of some classes, with single images on it.

        Args:
            classes: positions of the classes to draw.
            values: (I, U), unit values of single images.
        """
        picked = list(classes)
        pairs = list(combinations(picked, 2))
        separation = [self.separation[first, second] for first, second in pairs]
        shape = (len(values), len(picked), self.histograms.units)
        divergence, rank = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        if len(values) and picked:
            divergence[:] = excess_of_each(values, self.histograms, self.scales, picked)
            for at, label in enumerate(picked):
                rank[:, at] = rank_share(values, self.histograms, label)
        return LayerPanel(
            layer=self.layer,
            reduction=self.reduction,
            low=self.low,
            high=self.high,
            reference=self.reference,
            quantiles=self.quantiles[:, picked],
            values=np.asarray(values, np.float32),
            divergence=divergence,
            separation=np.array(separation, np.float32).reshape(-1, self.histograms.units),
            rank=rank,
            density=self.density[picked],
            zero_share=self.zero_share[picked],
            names=self.names,
        )


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


def densities(shares: NDArray[np.floating]) -> tuple[NDArray[np.uint8], float]:
    """Opacities of shares (K, U, bins), and the share that is fully opaque.

    The square root keeps the thin tails visible; the top 1% of the occupied bins saturate.
    """
    occupied = shares[shares > 0]
    reference = float(np.quantile(occupied, 0.99)) if occupied.size else 1.0
    scaled = np.clip(shares / max(reference, 1e-9), 0, 1) ** GAMMA
    return np.rint(255 * scaled).astype(np.uint8), reference


def class_panel(
    layer: str, reduction: str, histograms: ClassHistograms, names: Sequence[str] = ()
) -> ClassPanel:
    """Everything about a layer that does not depend on single images.

    Args:
        layer, reduction: what the histograms were taken at.
        histograms: of all classes.
        names: a name per unit, or nothing.
    """
    low, high = histograms.axis()
    density, reference = densities(histograms.on_common_axis(low, high, BINS))
    classes = len(histograms.counts)
    separation = np.zeros((classes, classes, histograms.units), np.float32)
    pairs = combinations(range(classes), 2)
    for (first, second), row in zip(pairs, class_separation(histograms), strict=True):
        separation[first, second] = separation[second, first] = row
    return ClassPanel(
        layer=layer,
        reduction=reduction,
        low=low,
        high=high,
        reference=reference,
        quantiles=histograms.quantiles(QUANTILES),
        density=density,
        zero_share=histograms.zero_share(),
        separation=separation,
        names=tuple(names),
        histograms=histograms,
        scales=class_scales(histograms),
    )


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
