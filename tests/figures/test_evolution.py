"""Figures of the Training Evolution page: what they draw, from numbers alone."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pytest

from ndcore.figures.evolution.cursor import MacroRun, short
from ndcore.figures.evolution.levels import exceptional, level_shares, levels_figure
from ndcore.figures.evolution.macro import macro_figure, macro_width
from ndcore.figures.evolution.plane import plane_figure, radii
from ndcore.figures.evolution.rows import aligned_rows
from ndcore.figures.evolution.tiles import PictureRow, picture_rows
from ndcore.figures.style.palette import ATTACKED

PNG = b"\x89PNG"
EPOCHS = np.arange(1, 6)
ROWS = ["conv1", "relu1", "conv2"]
VALUES = np.array([[1.0, 2, 3, 4, 5], [0.1, 0.1, 0.1, 0.1, 0.1], [10, 20, 30, 40, 50]])


def run(name: str = "lenet", values: np.ndarray = VALUES, **more: object) -> MacroRun:
    curves = {
        f"{part}_{what}": np.linspace(1, 0.2, 5) * scale
        for part in ("train", "validation")
        for what, scale in (("loss", 2), ("top1_error", 0.9), ("top5_error", 0.4))
    }
    tips = [[f"{row}, epoch {epoch}" for epoch in EPOCHS] for row in ROWS]
    given = {"digits": values, "tips": tips, "curves": curves} | more
    return MacroRun(name, EPOCHS, values, **given)  # type: ignore[arg-type]


def plain(value: Any) -> Any:
    """A figure as lists and numbers; plotly packs arrays into bytes."""
    if isinstance(value, go.Figure):
        return plain(value.to_dict())
    if isinstance(value, dict) and "bdata" in value:
        packed = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
        shape = str(value.get("shape", len(packed))).split(",")
        return packed.reshape([int(side) for side in shape]).tolist()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def drawn(*runs: MacroRun, local: bool = False, **more: object) -> dict:
    given = {"metric": "density", "local": local} | more
    return plain(macro_figure(runs, ROWS, **given))  # type: ignore[arg-type]


def maps(figure: dict) -> list[dict]:
    return [trace for trace in figure["data"] if trace["type"] == "heatmap"]


def test_dv6_the_overview_is_a_heat_map_of_layers_and_epochs() -> None:
    figure = drawn(run())
    (found,) = maps(figure)
    assert (np.array(found["z"]) == VALUES).all()
    assert list(found["x"]) == EPOCHS.tolist()
    axis = figure["layout"]["yaxis"]
    assert list(axis["ticktext"]) == ROWS
    assert axis["range"][0] > axis["range"][1], "the first layer is at the top"
    cells = next(trace for trace in figure["data"] if trace.get("customdata") is not None)
    assert len(cells["customdata"]) == 15
    assert list(cells["customdata"][7]) == [0, 1, 3]
    assert cells["text"][7] == "relu1, epoch 3"


def test_dv7_loss_and_errors_stand_beneath_the_heat_map() -> None:
    figure = drawn(run(lowered=(3.0,)))
    lines = [trace for trace in figure["data"] if trace.get("legendgroup")]
    assert len(lines) == 6
    assert {trace["yaxis"] for trace in lines} == {"y3", "y4"}
    dashes = {
        trace["hovertemplate"].split(", ")[1].split(" %")[0]: trace["line"]["dash"]
        for trace in lines
    }
    assert dashes == {
        "train loss": "solid",
        "train top1 error": "solid",
        "train top5 error": "dot",
        "validation loss": "dash",
        "validation top1 error": "dash",
        "validation top5 error": "dashdot",
    }
    assert figure["layout"]["xaxis3"]["matches"] == figure["layout"]["xaxis"]["matches"]
    assert any("rate lowered" in note["text"] for note in figure["layout"]["annotations"])


def test_dv7_the_slider_moves_the_cursor_without_the_server() -> None:
    figure = drawn(run())
    (slider,) = figure["layout"]["sliders"]
    assert slider["active"] == 4
    assert [each["name"] for each in figure["frames"]] == ["1", "2", "3", "4", "5"]
    assert [step["args"][0] for step in slider["steps"]] == [[str(e)] for e in EPOCHS]
    assert slider["steps"][0]["label"] == "epoch 1 · loss 2 / 2 · top-1 error 90.0% / 90.0%"
    frame = figure["frames"][2]
    assert len(frame["data"]) == len(frame["traces"]) == 5
    assert frame["data"][0]["x"] == [2.5, 3.5, 3.5, 2.5, 2.5]
    assert frame["data"][2]["x"] == [3, 3]
    assert list(frame["data"][-1]["x"]) == [3, 0.1, 30]
    shown = figure["data"][frame["traces"][-1]]
    assert list(shown["x"]) == [5, 0.1, 50], "at first the last epoch"


def test_dv8_digits_stand_in_the_cells() -> None:
    (found,) = maps(drawn(run(digits=VALUES / 50)))
    assert list(found["text"][2]) == [".20", ".40", ".60", ".80", "1.0"]
    assert found["texttemplate"] == "%{text}"
    (without,) = maps(drawn(run(digits=None)))
    assert "texttemplate" not in without
    assert macro_width([run(), run("b")]) > macro_width([run()]) > 15 * 5


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, ".00"), (0.417, ".42"), (0.999, "1.0"), (4.21, "4.2"), (42.4, "42"), (998, "998")],
)
def test_dv8_a_digit_is_at_most_three_characters(value: float, text: str) -> None:
    assert short(value) == text


def test_dv8_large_and_missing_values() -> None:
    assert short(8800) == "9k"
    assert short(np.nan) == ""


def test_dv9_the_colour_scale_is_global_or_of_each_layer() -> None:
    (one,) = maps(drawn(run()))
    assert np.array(one["z"]).max() == 50
    (own,) = maps(drawn(run(), local=True))
    shades = np.array(own["z"])
    assert shades[0].tolist() == shades[2].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (shades[1] == 0).all(), "a layer that stands still has no range"
    first, second = maps(drawn(run(), run("b", VALUES * 2), local=True))
    assert np.array(second["z"])[0].max() == 1
    assert np.array(first["z"])[0].max() == pytest.approx(4 / 9), "one scale for both runs"


def test_dv21_two_runs_stand_side_by_side_with_aligned_layers() -> None:
    rows = aligned_rows(
        ["conv1", "pool1", "relu1", "conv2", "relu2", "conv3"],
        ["conv1", "bn1", "pool1", "sig1", "conv2"],
    )
    assert [(row.name, row.first, row.second) for row in rows] == [
        ("conv1", 0, 0),
        ("bn1", None, 1),
        ("pool1", 1, 2),
        ("relu1 / sig1", 2, 3),
        ("conv2", 3, None),
        ("relu2", 4, None),
        ("conv3 / conv2", 5, 4),
    ]
    assert [row.first for row in aligned_rows(["a", "b"])] == [0, 1]
    missing = VALUES.copy()
    missing[1] = np.nan
    figure = drawn(run(), run("other", missing, tips=[["a"] * 5, [""] * 5, ["b"] * 5]))
    assert len(maps(figure)) == 2
    names = {note["text"] for note in figure["layout"]["annotations"]}
    assert {"<b>lenet</b>", "<b>other</b>"} <= names
    cells = [trace for trace in figure["data"] if trace.get("customdata") is not None]
    assert [len(trace["customdata"]) for trace in cells] == [15, 10]


def test_one_pixel_flips_and_auroc_stand_beneath_with_their_intervals() -> None:
    counts = {"attacked": 50, "flipped": 20, "benign": 60}
    rows = [
        {"epoch": 1, "flip_rate": 0.4, "flip_ci95": [0.3, 0.6], "auroc": None} | counts,
        {
            "epoch": 5,
            "flip_rate": 0.2,
            "flip_ci95": [0.1, 0.3],
            "auroc": 0.8,
            "auroc_ci95": [0.7, 0.95],
        }
        | counts,
    ]
    figure = drawn(run(vulnerability=rows))
    flips, auroc = (
        next(t for t in figure["data"] if t.get("name") == name)
        for name in ("one-pixel flip rate", "detector AUROC")
    )
    assert list(flips["x"]) == [1, 5]
    assert np.allclose(flips["error_y"]["array"], [0.2, 0.1])
    assert np.allclose(flips["error_y"]["arrayminus"], [0.1, 0.1])
    assert list(auroc["x"]) == [5]
    assert auroc["customdata"][0][2] == "20 flipped against 60 benign"
    assert figure["layout"]["xaxis"]["matches"] == flips["xaxis"], "aligned with the heat map"
    assert figure["layout"]["height"] > drawn(run())["layout"]["height"]


def test_dv10_a_cell_is_the_share_of_units_at_a_level(rng: np.random.Generator) -> None:
    values = rng.random((50, 7))
    middles, shares = level_shares(values, 1.0)
    assert shares.shape == (20, 7)
    assert shares.sum(0) == pytest.approx(np.ones(7))
    assert middles[0] == pytest.approx(0.025)
    for epoch in range(7):
        counts, _ = np.histogram(values[:, epoch], np.linspace(0, 1, 21))
        assert shares[:, epoch] == pytest.approx(counts / 50)
    assert level_shares(np.ones((4, 2)), 1.0)[1][-1].tolist() == [1, 1]
    assert level_shares(np.zeros((4, 2)), 0.0)[1][0].tolist() == [1, 1]


def test_dv11_few_units_have_a_line_each_and_many_only_the_exceptional_in_red(
    rng: np.random.Generator,
) -> None:
    values = 0.5 + 0.01 * rng.random((60, 9))
    values[7] = 0.9
    values[11, 3:] = 0.1
    values[20, 4] = 0.9  # apart at one epoch alone
    assert exceptional(values) == [7, 11]
    assert exceptional(values, most=1) == [7]
    assert exceptional(np.ones((6, 4))) == []

    def lines(count: int) -> list[dict]:
        drawing = levels_figure(
            np.arange(9),
            values[:count],
            metric="density",
            title="a layer",
            top=1.0,
            red=[7, 11],
            ink="#000000",
            unit=2,
        )
        return [trace for trace in plain(drawing)["data"] if trace["type"] == "scatter"]

    assert len(lines(60)) == 3
    assert len(lines(20)) == 20
    red = [line for line in lines(60) if line["line"]["color"].startswith("rgba(229, 32, 43")]
    assert ATTACKED == "#e5202b"
    assert sorted(line["customdata"][0][0] for line in red) == [7, 11]


def test_dv15_dv16_a_cluster_is_a_circle_with_its_average_at_the_centre() -> None:
    places = np.array([[0.0, 0], [1, 0], [0, 1], [5, 5]])
    labels, centres = np.array([0, 0, 0, 1]), np.array([[1 / 3, 1 / 3], [5, 5]])
    sizes = np.array([3, 1])
    reach = radii(sizes, 5.0)
    assert reach[0] / reach[1] == pytest.approx(np.sqrt(3))
    drawing = plane_figure(
        places,
        labels,
        centres,
        sizes,
        title="units",
        group="cluster",
        tips=list("abcd"),
        pictures=[PNG, None],
        ink="#000000",
        chosen=3,
    )
    figure = plain(drawing)
    first, second = figure["layout"]["shapes"]
    assert (first["x1"] - first["x0"]) / 2 == pytest.approx(reach[0])
    assert (second["x0"] + second["x1"]) / 2 == pytest.approx(5)
    (image,) = figure["layout"]["images"]
    assert image["x"] == pytest.approx(1 / 3)
    dots = [trace for trace in figure["data"] if trace.get("customdata") is not None]
    assert [trace["name"] for trace in dots] == ["cluster 1 (3)", "cluster 2 (1)"]
    assert dots[0]["marker"]["color"] != dots[1]["marker"]["color"]
    assert dots[0]["marker"]["symbol"] != dots[1]["marker"]["symbol"]


def test_dv18_a_unit_is_a_row_of_its_average_and_patches() -> None:
    row = PictureRow("neuron <3>", PNG, [PNG] * 5, "12 of 20 patches are cat", "#ff0000")
    found = picture_rows([row, PictureRow("neuron 4", None, [], "dead")])
    assert found.count("<img ") == 6
    assert 'alt="neuron &lt;3&gt;: average"' in found
    assert 'alt="neuron &lt;3&gt;: patch 5"' in found
    assert "no average" in found
