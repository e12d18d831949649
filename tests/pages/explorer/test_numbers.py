"""What the Activation view shows equals numpy on the raw activations, within one bin width.

Every unit of every layer of `digits-cnn`, every class, both reductions. "Raw" is every position
of every reference image, read here with hooks and reduced by numpy; what is shown goes the
page's way, from the bundle's integer histograms to 8-bit opacities. A unit's range comes from a
sample, and the rare value beyond it counts as its end: that much is allowed for, and bounded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ndcore.activations.capture import capture
from ndcore.activations.histograms import BINS, ClassHistograms
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.splits import positions
from ndcore.figures.explorer.activation_panels import BINS as DRAWN
from ndcore.figures.explorer.activation_panels import GAMMA, QUANTILES, LayerPanel
from ndcore.networks.forward import to_images
from pages.ui.explorer.view import panels

MOST_BEYOND = 0.001
# Float32 rounding of a bin's ends, in bin widths.
SLACK = 1e-3
REDUCE = {"mean": np.mean, "max": np.max}


@dataclass(frozen=True)
class Raw:
    """Activations of the reference images: layer -> (N, units) or (N, units, H, W)."""

    layers: dict[str, NDArray[np.float32]]
    labels: NDArray[np.int64]

    def values(self, layer: str, reduction: str) -> NDArray[np.float32]:
        """(N, units)."""
        found = self.layers[layer]
        if reduction == "value":
            return found
        return np.asarray(REDUCE[reduction](found, axis=(2, 3)), np.float32)

    def of_class(self, layer: str, reduction: str, label: int) -> NDArray[np.float32]:
        """(n, units) of one class."""
        return self.values(layer, reduction)[self.labels == label]


@pytest.fixture
def raw(digits_bundle: Bundle) -> Raw:
    source = open_source("digits")
    members = positions(source, digits_bundle.splits["reference"])
    with (
        torch.inference_mode(),
        capture(digits_bundle.model, digits_bundle.layers, Tensor.clone) as found,
    ):
        digits_bundle.model(to_images(source.pixels(members)))
    layers = {name: values.numpy() for name, values in found.items()}
    return Raw(layers, source.labels[members])


def shown(bundle: Bundle) -> list[tuple[LayerPanel, ClassHistograms]]:
    """All panels that the page can draw of all classes, and the histograms behind each."""
    drawn = []
    for reduction in ("mean", "max"):
        for panel in panels(bundle, list(bundle.layers), list(bundle.classes), reduction, None):
            drawn.append((panel, bundle.distributions(panel.layer, panel.reduction)))
    return drawn


def widths(found: ClassHistograms) -> NDArray[np.float64]:
    """Bin width of each unit, (units,)."""
    return (found.hi.astype(np.float64) - found.lo) / BINS


@pytest.mark.spec("SP-2")
def test_every_layer_is_shown_in_every_way(digits_bundle: Bundle, raw: Raw) -> None:
    ways = {(panel.layer, panel.reduction) for panel, _ in shown(digits_bundle)}
    fits = {(name, way) for name in digits_bundle.layers for way in digits_bundle.reductions(name)}
    assert ways == fits
    assert len(raw.labels) == digits_bundle.manifest["distributions"]["images"]
    assert {values.ndim for values in raw.layers.values()} == {2, 4}


@pytest.mark.spec("ND-9")
def test_medians_and_quantiles(digits_bundle: Bundle, raw: Raw) -> None:
    for panel, found in shown(digits_bundle):
        allowed = widths(found) * (1 + SLACK)
        quantiles = dict(zip(QUANTILES, panel.quantiles, strict=True))
        for label in range(len(digits_bundle.classes)):
            values = raw.of_class(panel.layer, panel.reduction, label)
            for q, got in quantiles.items():
                wanted = np.quantile(values, q, axis=0, method="inverted_cdf")
                assert (np.abs(got[label] - wanted) <= allowed).all(), (panel.layer, q)
            # For an even number of images numpy's median lies between the two in the middle, the
            # histogram's is the lower of them.
            half_gap = np.median(values, axis=0) - np.quantile(values, 0.5, axis=0, method="lower")
            apart = np.abs(panel.medians[label] - np.median(values, axis=0))
            assert (apart <= allowed + half_gap).all(), panel.layer


def test_few_values_lie_beyond_the_range_of_their_unit(digits_bundle: Bundle, raw: Raw) -> None:
    for panel, found in shown(digits_bundle):
        values = raw.values(panel.layer, panel.reduction)
        beyond = (values < found.lo) | (values > found.hi)
        assert beyond.mean() <= MOST_BEYOND, panel.layer


def test_shares_of_exact_zeros(digits_bundle: Bundle, raw: Raw) -> None:
    for panel, found in shown(digits_bundle):
        for label in range(len(digits_bundle.classes)):
            values = raw.of_class(panel.layer, panel.reduction, label)
            wanted = (values == 0).mean(0)
            np.testing.assert_allclose(found.zero_share()[label], wanted, atol=1e-6)
            np.testing.assert_allclose(panel.zero_share[label], wanted, atol=1e-6)


def cumulative(values: NDArray[np.float32], ends: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of a class's images below `ends` (units, M) that are not exactly 0; (units, M)."""
    below = values[:, :, None] < ends[None]
    return np.asarray((below & (values != 0)[:, :, None]).mean(0))


@pytest.mark.spec("ND-8", "ND-9")
def test_densities(digits_bundle: Bundle, raw: Raw) -> None:
    """As many images up to every edge of the drawn axis as there are, to one bin width of it."""
    for panel, found in shown(digits_bundle):
        ends = np.linspace(panel.low, panel.high, DRAWN + 1)
        shares = found.on_common_axis(panel.low, panel.high, DRAWN)
        width = widths(found)[:, None] * (1 + SLACK)
        for label in range(len(digits_bundle.classes)):
            values = np.clip(raw.of_class(panel.layer, panel.reduction, label), found.lo, found.hi)
            at_left = cumulative(values, ends[:1] - width), cumulative(values, ends[:1] + width)
            got = shares[label].cumsum(-1)
            least = cumulative(values, ends[1:] - width) - at_left[1]
            most = cumulative(values, ends[1:] + width) - at_left[0]
            assert (got >= least - 1e-5).all(), panel.layer
            assert (got <= most + 1e-5).all(), panel.layer
            # What is drawn: the root of the share, in 255 steps, fully opaque from `reference` on.
            opacity = np.minimum(shares[label] / panel.reference, 1) ** GAMMA
            assert np.abs(panel.density[label] / 255 - opacity).max() <= 0.5 / 255 + 1e-6


@pytest.mark.spec("ND-9")
def test_dots_are_the_units_values(digits_bundle: Bundle) -> None:
    pixels = open_source("digits").pixels([5, 6])
    reading = digits_bundle.read(pixels)
    with (
        torch.inference_mode(),
        capture(digits_bundle.model, digits_bundle.layers, Tensor.clone) as kept,
    ):
        digits_bundle.model(to_images(pixels))
    raw = Raw({name: values.numpy() for name, values in kept.items()}, np.zeros(2, np.int64))
    for reduction in ("mean", "max"):
        layers, classes = list(digits_bundle.layers), list(digits_bundle.classes[:1])
        for panel in panels(digits_bundle, layers, classes, reduction, reading):
            wanted = raw.values(panel.layer, panel.reduction)
            np.testing.assert_allclose(panel.values, wanted, rtol=1e-5, atol=1e-5)
