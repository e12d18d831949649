"""The figure of a graph: what is drawn is what it was given, in words and colours."""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go

from ndcore.figures.style.palette import ATTACKED, MUTED, class_colours
from ndcore.figures.topology.colouring import OTHERS, by_class, by_value
from ndcore.figures.topology.curve import neighbour_curve
from ndcore.figures.topology.graph import Laid, Picture, diameters, graph_figure
from tests.plain_figure import plain

PLACES = np.array([[0.0, 0], [1, 0], [2, 1], [2, -1]])
SIZES = np.array([50, 10, 30, 5])
EDGES = np.array([[0, 1], [1, 2], [1, 3]])
PICTURE = Picture(
    places=PLACES,
    sizes=SIZES,
    edges=EDGES,
    jaccard=np.array([0.05, 0.3, 0.6]),
    tips=["a", "b", "c", "d"],
    lit=np.ones(4, np.bool_),
)
CLASSES = ("cat", "dog<u>")
GROUPS = by_class(np.array([0, 0, 1, 0]), np.array([1, 0.5, 1, 1.0]), SIZES, CLASSES)


def made(picture: Picture = PICTURE, colours: Any = GROUPS, laid: Laid | None = None) -> go.Figure:
    return graph_figure(picture, colours, laid or Laid(), title="T", ink="#14181f", height=400)


def lines(figure: go.Figure) -> list[Any]:
    return [trace for trace in figure.data if trace.mode == "lines"]


def test_dots_are_nodes_by_class_and_lines_are_edges_by_strength() -> None:
    figure = made()
    dots = {row[0]: trace.name for trace in figure.data for row in trace.customdata or ()}
    assert dots == {0: "cat", 1: "cat", 3: "cat", 2: "dog&lt;u&gt;"}
    assert "<u>" not in str(plain(figure))
    widths = [trace.line.width for trace in lines(figure)]
    assert widths == sorted(widths)
    assert sum(len(trace.x) // 3 for trace in lines(figure)) == 3
    told = {each.text for each in figure.layout.annotations}
    assert told == {"cat", "dog&lt;u&gt;"}, "told without the colour, too"
    assert np.all(np.diff(diameters(np.array([1, 2, 10, 100, 1000]))) > 0)


def test_weak_edges_are_hidden_unstable_ones_dotted_and_others_grey() -> None:
    from dataclasses import replace

    strong = made(replace(PICTURE, least=0.3))
    assert sum(len(trace.x) // 3 for trace in lines(strong)) == 2
    shaken = lines(made(replace(PICTURE, stable=np.array([1, 0.5, 1]))))
    dotted = [trace for trace in shaken if trace.line.dash == "dot"]
    assert [list(trace.x[:2]) for trace in dotted] == [[1, 2]]
    grey = made(replace(PICTURE, lit=np.array([True, False, True, True])))
    dull = [trace for trace in grey.data if trace.customdata is not None and not trace.name]
    assert [row[0] for trace in dull for row in trace.customdata] == [1]


def test_a_number_is_a_scale_with_words() -> None:
    shares = np.array([0, 0.1, np.nan, 0.05])
    figure = made(colours=by_value("attacked", shares))
    (scale,) = [trace for trace in figure.data if trace.marker.cmax is not None]
    assert (scale.marker.cmin, scale.marker.cmax) == (0, 0.5)
    assert "attacked images as a share" in scale.marker.colorbar.title.text
    assert [row[0] for row in scale.customdata] == [0, 1, 3]
    norm = by_value("norm", np.array([2.0, 5, 3, 4]))
    assert (norm.low, norm.high) == (2, 5)
    assert by_value("norm", np.full(3, np.nan)).of.shape == (3,)


def test_the_pair_its_way_and_what_is_chosen_are_marked() -> None:
    laid = Laid(
        chosen=2,
        linked=np.array([0.0, 1, 0, 0.5]),
        benign=(0,),
        attacked=(3,),
        path=(0, 1, 3),
        beside=frozenset({"attacked"}),
    )
    figure = made(laid=laid)
    names = {trace.name for trace in figure.data if trace.showlegend is not False}
    assert {"the benign image", "nearest node of the attacked image"} <= names
    (way,) = [trace for trace in lines(figure) if trace.name]
    assert list(way.x) == [0, 1, 2]
    (red,) = [t for t in figure.data if t.marker.color == ATTACKED and t.marker.symbol]
    assert (list(red.x), list(red.y)) == ([2], [-1])


def test_of_many_classes_the_rest_is_one_colour() -> None:
    names = [f"class {at}" for at in range(30)]
    groups = by_class(np.arange(30), np.ones(30), np.arange(1, 31), names)
    assert len(groups.names) == 10
    assert groups.names[-1] == OTHERS
    assert groups.colours[-1] == MUTED
    assert len(set(groups.colours)) == 10
    assert groups.names[0] == "class 21"
    assert (groups.of == 9).sum() == 21
    few = by_class(np.array([3, 5]), np.ones(2), np.ones(2, int), names[:10])
    assert list(few.colours) == [class_colours(10)[3], class_colours(10)[5]]


def test_the_curve_shows_epsilon_and_the_elbow() -> None:
    figure = neighbour_curve(np.linspace(1, 3, 50), epsilon=2.0, bend=0.5, neighbours=5)
    assert "epsilon 2" in str(plain(figure))
    (bend,) = [trace for trace in figure.data if trace.text]
    assert (bend.x[0], bend.y[0]) == (50, 2)
