"""The heat map of layers and epochs with its curves: what it draws, from numbers alone."""

from __future__ import annotations

import numpy as np
import pytest

from ndcore.figures.evolution.cursor import MacroRun, short
from ndcore.figures.evolution.macro import macro_figure, macro_width
from ndcore.figures.evolution.rows import aligned_rows
from ndcore.figures.style.palette import CLEAR, MUTED
from tests.plain_figure import plain

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


def drawn(*runs: MacroRun, local: bool = False, **more: object) -> dict:
    given = {"metric": "density", "local": local} | more
    return plain(macro_figure(runs, ROWS, **given))  # type: ignore[arg-type]


def maps(figure: dict) -> list[dict]:
    return [trace for trace in figure["data"] if trace["type"] == "heatmap"]


@pytest.mark.spec("DV-6")
def test_the_overview_is_a_heat_map_of_layers_and_epochs() -> None:
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


@pytest.mark.spec("DV-7")
def test_loss_and_errors_stand_beneath_the_heat_map() -> None:
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


@pytest.mark.spec("DV-7")
def test_the_slider_moves_the_cursor_without_the_server() -> None:
    figure = drawn(run())
    (slider,) = figure["layout"]["sliders"]
    assert slider["active"] == 4
    assert [each["name"] for each in figure["frames"]] == ["1", "2", "3", "4", "5"]
    assert [step["args"][0] for step in slider["steps"]] == [[str(e)] for e in EPOCHS]
    assert slider["currentvalue"]["font"]["color"] == MUTED, "it is seen, the steps' labels are not"
    assert slider["font"]["color"] == CLEAR
    assert slider["steps"][0]["label"] == "epoch 1 · loss 2/2 · error 90.0/90.0%"
    frame = figure["frames"][2]
    assert len(frame["data"]) == len(frame["traces"]) == 5
    assert frame["data"][0]["x"] == [2.5, 3.5, 3.5, 2.5, 2.5]
    assert frame["data"][2]["x"] == [3, 3]
    assert list(frame["data"][-1]["x"]) == [3, 0.1, 30]
    shown = figure["data"][frame["traces"][-1]]
    assert list(shown["x"]) == [5, 0.1, 50], "at first the last epoch"


def test_slider_frame_dots_and_marked_cell_stand_at_the_chosen_epoch() -> None:
    figure = drawn(run(), start=2, chosen=1)
    (slider,) = figure["layout"]["sliders"]
    assert slider["steps"][slider["active"]]["args"][0] == ["2"]
    traces = figure["frames"][0]["traces"]
    assert figure["data"][traces[0]]["x"] == [1.5, 2.5, 2.5, 1.5, 1.5]
    assert list(figure["data"][traces[-1]]["x"]) == [2, 0.1, 20]
    cells = [trace for trace in figure["data"] if trace.get("y") == [0.5, 0.5, 1.5, 1.5, 0.5]]
    assert [cell["x"] for cell in cells] == [[1.5, 2.5, 2.5, 1.5, 1.5]] * 2


@pytest.mark.parametrize("others", [[], ["b"]], ids=["numbers beside the dots", "dots of two runs"])
def test_dots_are_whole_and_no_line_crosses_their_numbers(others: list[str]) -> None:
    figure = drawn(run(), *map(run, others))
    dots = [trace for trace in figure["data"] if trace.get("cliponaxis") is False]
    assert len(dots) == 1 + len(others)
    axis = figure["layout"][dots[0]["yaxis"].replace("y", "yaxis")]
    assert axis["showgrid"] == ("text" not in dots[0]["mode"]) == bool(others)


@pytest.mark.spec("DV-8")
def test_digits_stand_in_the_cells() -> None:
    (found,) = maps(drawn(run(digits=VALUES / 50)))
    assert list(found["text"][2]) == [".20", ".40", ".60", ".80", "1.0"]
    assert found["texttemplate"] == "%{text}"
    (without,) = maps(drawn(run(digits=None)))
    assert "texttemplate" not in without
    assert macro_width([run(), run("b")]) > macro_width([run()]) > 15 * 5


@pytest.mark.spec("DV-8")
@pytest.mark.parametrize(
    ("value", "text"),
    [(0, ".00"), (0.417, ".42"), (0.999, "1.0"), (4.21, "4.2"), (42.4, "42"), (998, "998")],
)
def test_a_digit_is_at_most_three_characters(value: float, text: str) -> None:
    assert short(value) == text


@pytest.mark.spec("DV-8")
def test_large_and_missing_values() -> None:
    assert short(8800) == "9k"
    assert short(np.nan) == ""


@pytest.mark.spec("DV-9")
def test_the_colour_scale_is_global_or_of_each_layer() -> None:
    (one,) = maps(drawn(run()))
    assert np.array(one["z"]).max() == 50
    (own,) = maps(drawn(run(), local=True))
    shades = np.array(own["z"])
    assert shades[0].tolist() == shades[2].tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert (shades[1] == 0).all(), "a layer that stands still has no range"
    first, second = maps(drawn(run(), run("b", VALUES * 2), local=True))
    assert np.array(second["z"])[0].max() == 1
    assert np.array(first["z"])[0].max() == pytest.approx(4 / 9), "one scale for both runs"


@pytest.mark.spec("DV-21")
def test_two_runs_stand_side_by_side_with_aligned_layers() -> None:
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


def test_the_names_of_two_hundred_layers_fit_into_their_rows() -> None:
    names = [f"stage{i // 50}_block{i % 50}" for i in range(200)]
    values = np.random.default_rng(0).random((200, 5))
    many = run(values=values, tips=[["tip"] * 5] * 200)
    few, tall = (
        plain(macro_figure([each], rows, metric="density", local=False))["layout"]
        for each, rows in ((run(), ROWS), (many, names))
    )
    assert list(tall["yaxis"]["ticktext"]) == names
    own = tall["height"] - (few["height"] - 25 * len(ROWS))  # of the map alone
    assert own == 200 * 12
    assert tall["yaxis"]["tickfont"]["size"] < 12
    assert few["yaxis"]["tickfont"]["size"] == 12
