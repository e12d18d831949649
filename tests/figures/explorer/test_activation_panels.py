"""The message to the Activation view: what is packed reads back, and is small."""

from __future__ import annotations

import json
import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from ndcore.activations.divergence import excess_w1, rank_share, w1_histograms
from ndcore.activations.histograms import ClassHistograms
from ndcore.figures.explorer.activation_panels import (
    QUANTILES,
    ClassPanel,
    LayerPanel,
    opacities,
    pack,
    reference_of,
)


@pytest.mark.spec("ND-8")
def test_opacity_is_the_root_of_the_share() -> None:
    shares = np.zeros((1, 2, 4))
    shares[0, 0] = [0.0, 0.1, 0.2, 0.4]
    reference = reference_of(shares)
    opacity = opacities(shares, reference)
    assert reference == pytest.approx(np.quantile([0.1, 0.2, 0.4], 0.99))
    assert opacity[0, 0, 0] == 0
    assert opacity[0, 0, 3] == 255
    assert opacity[0, 0, 1] == round(255 * (0.1 / reference) ** 0.5)
    assert reference_of(np.zeros((0, 3, 4))) == 1.0


def counted(units: int, classes: int = 3, n: int = 200, seed: int = 0) -> ClassHistograms:
    """Histograms of random units that are often exactly 0."""
    rng = np.random.default_rng(seed)
    values = np.maximum(rng.normal(0.3, 1, (n * classes, units)), 0).astype(np.float32)
    labels = np.repeat(np.arange(classes), n)
    values *= 1 + labels[:, None]
    return ClassHistograms.empty(classes, values).update(values, labels)


def unpacked(message: bytes, panels: list[LayerPanel]) -> tuple[dict, list[list[NDArray]]]:
    """Header and, per panel, its arrays, read as the browser reads them."""
    data = zlib.decompress(message)
    length = struct.unpack_from("<I", data)[0]
    assert length % 4 == 0
    header = json.loads(data[4 : 4 + length])
    at = 4 + length
    found: list[list[NDArray]] = [[] for _ in panels]
    kinds = (
        ("<f4", lambda p: (p.quantiles, p.values, p.divergence, p.separation)),
        ("<u2", lambda p: (p.rank, p.zero_share)),
        ("u1", lambda p: (p.density,)),
    )
    for kind, arrays in kinds:
        for place, panel in enumerate(panels):
            for array in arrays(panel):
                read = np.frombuffer(data, kind, array.size, at).reshape(array.shape)
                found[place].append(read)
                at += read.nbytes
    assert at == len(data)
    return header, found


@pytest.mark.parametrize("classes", [[], [1], [2, 0]])
@pytest.mark.parametrize("instances", [0, 2, 5])
def test_packed_bytes_read_back(classes: list[int], instances: int) -> None:
    rng = np.random.default_rng(0)
    panels = []
    for name, units in (("first", 5), ("second", 3)):
        names = ("é", "b", "c") if units == 3 else ()
        values = rng.random((instances, units), np.float32)
        panels.append(ClassPanel(name, "value", counted(units), names).show(classes, values))
    header, found = unpacked(pack(panels, {"stamp": 4}), panels)
    assert header["stamp"] == 4
    assert [layer["units"] for layer in header["layers"]] == [5, 3]
    assert header["layers"][1]["names"] == ["é", "b", "c"]
    assert header["quantiles"] == list(QUANTILES)
    for panel, arrays in zip(panels, found, strict=True):
        quantiles, values, divergence, separation, rank, zeros, density = arrays
        np.testing.assert_array_equal(quantiles, panel.quantiles)
        np.testing.assert_array_equal(values, panel.values)
        np.testing.assert_array_equal(divergence, panel.divergence)
        np.testing.assert_array_equal(separation, panel.separation)
        np.testing.assert_array_equal(density, panel.density)
        np.testing.assert_allclose(rank / 65535, panel.rank, atol=1e-5)
        np.testing.assert_allclose(zeros / 65535, panel.zero_share, atol=1e-5)


def test_sort_keys_are_what_the_library_computes() -> None:
    histograms = counted(7)
    values = np.random.default_rng(3).random((2, 7), np.float32) * 3
    panel = ClassPanel("layer", "value", histograms).show([2, 0], values)
    for at, label in enumerate((2, 0)):
        expected = excess_w1(values, histograms, label)
        np.testing.assert_allclose(panel.divergence[:, at], expected, rtol=1e-4, atol=1e-6)
        expected = rank_share(values, histograms, label)
        np.testing.assert_allclose(panel.rank[:, at], expected, atol=1e-6)
    for unit in range(7):
        centres = histograms.centres()[unit]
        order = np.argsort(centres)
        counts = histograms.counts[:, unit][:, order]
        expected = w1_histograms(counts[0], counts[2], centres[order])
        assert panel.separation[0, unit] == pytest.approx(expected, rel=1e-4)
    np.testing.assert_array_equal(panel.medians, histograms.medians()[[2, 0]])


@pytest.mark.spec("ND-23")
def test_two_full_layers_of_two_classes_are_a_small_message() -> None:
    values = np.random.default_rng(0).random((2, 512), np.float32)
    panels = [
        ClassPanel(name, "value", counted(512, 2)).show([0, 1], values) for name in ("a", "b")
    ]
    assert len(pack(panels, {})) < 200_000
