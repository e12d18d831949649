"""Figures: panels whose bytes mean what they say, valid charts; colours are in test_palette."""

from __future__ import annotations

import base64
import json
import re
import struct

import numpy as np
import plotly.graph_objects as go
import pytest

from ndcore.figures.activation_panels import BINS, densities, make_panel, pack
from ndcore.figures.attack import probability_bars, search_course
from ndcore.figures.palette import ATTACKED
from ndcore.figures.pixel_image import pixel_image
from ndcore.figures.verdict import layer_profile, null_distribution, unit_evidence
from ndcore.images import encode_png


def test_opacity_is_the_root_of_the_share() -> None:
    shares = np.zeros((1, 2, 4))
    shares[0, 0] = [0.0, 0.1, 0.2, 0.4]
    opacity, reference = densities(shares)
    assert reference == pytest.approx(np.quantile([0.1, 0.2, 0.4], 0.99))
    assert opacity[0, 0, 0] == 0
    assert opacity[0, 0, 3] == 255
    assert opacity[0, 0, 1] == round(255 * (0.1 / reference) ** 0.5)
    assert densities(np.zeros((0, 3, 4)))[1] == 1.0


@pytest.mark.parametrize("classes", [0, 1, 2])
@pytest.mark.parametrize("instances", [0, 2])
def test_packed_bytes_read_back(classes: int, instances: int) -> None:
    rng = np.random.default_rng(0)
    panels = [
        make_panel(
            name,
            "value",
            axis=(0.0, 2.0),
            shares=rng.random((classes, units, BINS), np.float32),
            zero_share=rng.random((classes, units), np.float32),
            medians=rng.random((classes, units), np.float32),
            instances=rng.random((instances, units), np.float32),
            names=("é", "b", "c") if units == 3 else (),
        )
        for name, units in (("first", 5), ("second", 3))
    ]
    message = pack(panels, {"stamp": 4})
    length = struct.unpack_from("<I", message)[0]
    assert length % 4 == 0
    header = json.loads(message[4 : 4 + length])
    assert header["stamp"] == 4
    assert [layer["units"] for layer in header["layers"]] == [5, 3]
    at = 4 + length
    for panel in panels:
        for array in (panel.medians, panel.instances):
            found = np.frombuffer(message, "<f4", array.size, at).reshape(array.shape)
            np.testing.assert_array_equal(found, array)
            at += 4 * array.size
    for panel in panels:
        for array in (panel.density, panel.zero_share):
            found = np.frombuffer(message, np.uint8, array.size, at).reshape(array.shape)
            np.testing.assert_array_equal(found, array)
            at += array.size
    assert at == len(message)


def test_two_full_layers_of_two_classes_are_a_small_message() -> None:
    shares = np.full((2, 512, BINS), 0.01, np.float32)
    flat = np.zeros((2, 512), np.float32)
    panels = [
        make_panel(
            name, "value", axis=(0, 1), shares=shares, zero_share=flat, medians=flat, instances=flat
        )
        for name in ("a", "b")
    ]
    assert len(pack(panels, {})) < 160_000


def test_pixel_image_is_crisp_ringed_and_safe() -> None:
    png = encode_png(np.zeros((32, 32, 3), np.uint8))
    text = pixel_image(
        png, (32, 32), label='a "<b>" cat', ringed=[(3, 4)], candidates=[(1, 2), (5, 6)]
    )
    assert 'alt="a &quot;&lt;b&gt;&quot; cat"' in text
    source = re.search(r"data:image/svg\+xml;base64,([\w+/=]+)", text)
    assert source is not None
    svg = base64.b64decode(source[1]).decode()
    assert svg.count('cx="4.5" cy="3.5"') == 2
    assert svg.count(f'fill="{ATTACKED}"') == 2
    assert "image-rendering:pixelated" in svg
    assert base64.b64encode(png).decode() in svg


CLASSES = [f"class {i}" for i in range(10)]
EVEN = np.full(10, 0.1, np.float32)
FIGURES = {
    "before": probability_bars(CLASSES, EVEN),
    "after": probability_bars(CLASSES, EVEN, np.eye(10, dtype=np.float32)[3], true=3),
    "course": search_course([(400, 0.9), (800, 0.4)], true="cat"),
    "course to a target": search_course([(400, 0.1)], target="dog"),
    "no course yet": search_course([]),
    "profile": layer_profile(["a", "b"], {"benign": [1, 0.5], "attacked": [0.001, 0.0]}, 0.05),
    "null": null_distribution(np.arange(50.0), {"attacked": 70.0}, 47.0, label="dog"),
    "null without threshold": null_distribution(
        np.arange(3.0), {"benign": 1.0}, np.inf, label="dog"
    ),
    "null of nothing": null_distribution(np.zeros(0), {"benign": 1.0}, np.inf, label="dog"),
    "units": unit_evidence(["dense_1 · 3"], [0.4]),
    "no units": unit_evidence([], []),
}


@pytest.mark.parametrize("name", FIGURES)
def test_figures_are_valid_transparent_and_titled(name: str) -> None:
    figure = FIGURES[name]
    assert isinstance(figure, go.Figure)
    json.loads(figure.to_json())
    assert figure.layout.paper_bgcolor == "rgba(0,0,0,0)"
    assert figure.layout.title.text
    # A fixed text colour would vanish in one of the two themes.
    assert figure.layout.font.color is None


def test_bars_name_both_winners_and_star_the_truth() -> None:
    figure = FIGURES["after"]
    assert "class 3 ★" in figure.data[0].y
    assert any("before" in text for text in figure.data[0].text)
    assert "100.0%" in figure.data[1].text[3]


def test_threshold_is_drawn_only_where_there_is_one() -> None:
    names = [trace.name for trace in FIGURES["null"].data]
    assert any(name.startswith("threshold") for name in names)
    names = [trace.name for trace in FIGURES["null without threshold"].data]
    assert not any(name.startswith("threshold") for name in names)
