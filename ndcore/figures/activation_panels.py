"""What the Activation view draws of one layer, as compact arrays.

The densities are 8-bit opacities: a browser redraws and sorts hundreds of units from them
without asking the server again.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BINS", "LayerPanel", "densities", "make_panel", "pack"]

BINS = 64
GAMMA = 0.5


@dataclass(frozen=True)
class LayerPanel:
    """One layer of the Activation view for K classes, U units and I instances.

    Attributes:
        layer, reduction: what is shown.
        low, high: ends of the axis that all units of the layer share.
        reference: share of a class's images in one bin that is drawn fully opaque.
        medians: float32 (K, U).
        instances: float32 (I, U).
        density: uint8 (K, U, BINS), 255 * sqrt(share / reference).
        zero_share: uint8 (K, U), 255 * share of images with exactly 0.
        names: a name per unit, or () where units have numbers only.
    """

    layer: str
    reduction: str
    low: float
    high: float
    reference: float
    medians: NDArray[np.float32]
    instances: NDArray[np.float32]
    density: NDArray[np.uint8]
    zero_share: NDArray[np.uint8]
    names: tuple[str, ...] = ()


def densities(shares: NDArray[np.floating]) -> tuple[NDArray[np.uint8], float]:
    """Opacities of shares (K, U, bins), and the share that is fully opaque.

    The square root keeps the thin tails visible; the top 1% of the occupied bins saturate.
    """
    occupied = shares[shares > 0]
    reference = float(np.quantile(occupied, 0.99)) if occupied.size else 1.0
    scaled = np.clip(shares / max(reference, 1e-9), 0, 1) ** GAMMA
    return np.rint(255 * scaled).astype(np.uint8), reference


def make_panel(
    layer: str,
    reduction: str,
    *,
    axis: tuple[float, float],
    shares: NDArray[np.float32],
    zero_share: NDArray[np.float32],
    medians: NDArray[np.float32],
    instances: NDArray[np.float32],
    names: Sequence[str] = (),
) -> LayerPanel:
    """Panel of one layer.

    Args:
        layer, reduction: what is shown.
        axis: ends of the common axis; `shares` must have been taken on it.
        shares: (K, U, BINS) of the class's images.
        zero_share: (K, U) share of exact zeros.
        medians: (K, U).
        instances: (I, U) values of single images.
        names: a name per unit, or nothing.
    """
    density, reference = densities(shares)
    return LayerPanel(
        layer=layer,
        reduction=reduction,
        low=axis[0],
        high=axis[1],
        reference=reference,
        medians=np.asarray(medians, np.float32),
        instances=np.asarray(instances, np.float32),
        density=density,
        zero_share=np.rint(255 * np.clip(zero_share, 0, 1)).astype(np.uint8),
        names=tuple(names),
    )


def pack(panels: Sequence[LayerPanel], header: dict[str, Any]) -> bytes:
    """All panels as one message: header length, JSON header, then the arrays.

    Little-endian; per panel medians, instances (float32), then after all panels their density
    and zero_share (uint8). Floats come first and the header is padded, so that a reader can lay
    typed arrays over the bytes.
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
    text = json.dumps({**header, "layers": layers}, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    floats = [
        array.astype("<f4").tobytes()
        for panel in panels
        for array in (panel.medians, panel.instances)
    ]
    small = [array.tobytes() for panel in panels for array in (panel.density, panel.zero_share)]
    return b"".join([struct.pack("<I", len(text)), text, *floats, *small])
