"""Home's small pictures: what they draw is what they were given."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ndcore.figures.explorer.activation_panels import LayerPanel
from ndcore.figures.graph.scene import Scene, SceneEdge, SceneUnit
from ndcore.figures.home.small_pictures import (
    HEIGHT,
    WIDTH,
    activation_rows,
    graph_dots,
    layer_heat,
    layered_graph,
    ringed_images,
    score_humps,
)
from ndcore.figures.style.palette import LOWERS
from ndcore.figures.style.ramp import ramp


def drawn(markup: str) -> str:
    """The SVG of a picture."""
    (svg,) = re.findall(r"svg\+xml;base64,([\w+/=]+)", markup)
    return base64.b64decode(svg).decode()


def pictures(svg: str) -> list[np.ndarray]:
    found = re.findall(r"png;base64,([\w+/=]+)", svg)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(png)))) for png in found]


def test_images_stand_side_by_side_with_their_rings(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    markup = ringed_images([(images[0], [(3, 5)]), (images[1], [])], label="<a> & b")
    assert 'alt="&lt;a&gt; &amp; b"' in markup
    svg = drawn(markup)
    assert all(map(np.array_equal, pictures(svg), images))
    assert svg.count("<circle") == 2
    assert 'cx="5.5" cy="3.5"' in svg
    lefts = [float(x) for x in re.findall(r"translate\(([\d.]+) 1\)", svg)]
    side = HEIGHT - 2
    assert lefts == [pytest.approx((WIDTH - 4) / 2 - side), pytest.approx((WIDTH + 4) / 2)]


def test_a_layer_is_drawn_as_the_explorer_does(rng: np.random.Generator) -> None:
    density = rng.integers(0, 256, (2, 12, 64), dtype=np.uint8)
    nothing = np.zeros((0, 2, 12), np.float32)
    values = np.stack([np.linspace(-1, 3, 12), np.full(12, 1.0)]).astype(np.float32)
    panel = LayerPanel(
        layer="dense_2",
        reduction="value",
        low=-1.0,
        high=3.0,
        reference=1.0,
        quantiles=np.zeros((5, 2, 12), np.float32),
        density=density,
        zero_share=np.zeros((2, 12), np.float32),
        names=(),
        values=values,
        divergence=nothing,
        separation=np.zeros((1, 12), np.float32),
        rank=nothing,
    )
    order = list(range(11, -1, -1))
    svg = drawn(activation_rows(panel, ["#102030", "#405060"], "#14181f", order=order, label=""))
    (strips,) = pictures(svg)
    assert strips.shape == (20, 64, 4), "ten rows at most, a strip per class"
    assert strips[0, 0, :3].tolist() == [16, 32, 48]
    assert strips[1, 0, :3].tolist() == [64, 80, 96]
    assert np.array_equal(strips[0, :, 3], density[0, 11])
    assert np.array_equal(strips[3, :, 3], density[1, 10])
    dots = [float(x) for x in re.findall(r'<circle cx="([\d.]+)"', svg)]
    assert dots[0] == WIDTH - 4
    assert dots == sorted(dots, reverse=True)
    marks = re.findall(r"M([\d.]+) [\d.]+l", svg)
    assert set(marks) == {"90.0"}, "the attacked image, in the middle"
    same = replace(panel, high=-1.0)
    assert "nan" not in drawn(
        activation_rows(same, ["#000000"] * 2, "#14181f", order=[0], label="")
    )


def test_humps_are_roots_of_counts_and_equally_high() -> None:
    svg = drawn(score_humps(np.array([0.0, 0, 0, 0, 1]), np.array([9.0, 9, 10]), label="x"))
    benign, attacked = (
        [float(height) for height in re.findall(r"v-([\d.]+)h", path)]
        for path in re.findall(r'<path d="(M[^"]+z)"', svg)
    )
    assert benign == [HEIGHT - 4, (HEIGHT - 4) / 2]
    assert attacked == [HEIGHT - 4, pytest.approx((HEIGHT - 4) / np.sqrt(2), abs=0.05)]
    alone = drawn(score_humps(np.ones(3), np.ones(1), label="x"))
    assert "nan" not in alone


def test_each_layer_has_its_own_scale() -> None:
    values = np.array([[1.0, 2, 3], [30, 20, 10], [5, 5, 5]])
    (cells,) = pictures(drawn(layer_heat(values, label="x")))
    shares = np.array([[0, 0.5, 1], [1, 0.5, 0], [0, 0, 0]])
    assert np.array_equal(cells, ramp(shares))


def test_of_a_graph_the_last_layers_and_their_largest_units_are_drawn() -> None:
    units = [
        SceneUnit(f"{column}:{number}", column, str(number), 1 - number / 9, ())
        for column in range(7)
        for number in range(8)
    ]
    edges = tuple(SceneEdge(8 * at, 8 * at + 8, 1.0, 1, ()) for at in range(6))
    edges += (SceneEdge(49 - 8, 55, 1.0, -1, ()),)  # to the smallest of the last layer
    picture = np.full((4, 4, 3), 90, np.uint8)
    pictures = (None,) * 55 + (picture,)
    scene = Scene("x", "t", tuple("abcdefg"), tuple(units), edges, pictures)
    svg = drawn(layered_graph(scene, label="graph"))
    assert svg.count("<path") == 4
    assert svg.count("<rect") == 25
    assert LOWERS not in svg
    more = replace(scene, pictures=(picture,) * 56)
    assert len(pictures_of(more)) == 25


def pictures_of(scene: Scene) -> list[np.ndarray]:
    return pictures(drawn(layered_graph(scene, label="graph")))


def test_a_graph_in_small_keeps_its_dots_inside() -> None:
    places = np.array([[0.0, 0], [10, 5], [10, 0]])
    svg = drawn(
        graph_dots(
            places,
            np.array([[0, 1]]),
            np.array([1, 100, 10]),
            ["#102030", "#405060", "#708090"],
            label="x",
        )
    )
    found = re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)" fill="(#\w+)"', svg)
    assert [row[3] for row in found] == ["#102030", "#405060", "#708090"]
    ends = [(float(x), float(y)) for x, y, _, _ in found]
    assert ends == [(7, HEIGHT - 7), (WIDTH - 7, 7), (WIDTH - 7, HEIGHT - 7)]
    radii = [float(row[2]) for row in found]
    assert radii[0] < radii[2] < radii[1]
    assert svg.count("L") >= 1
    one = drawn(graph_dots(places[:1], np.zeros((0, 2), int), np.array([1]), ["#000000"], label=""))
    assert "nan" not in one
