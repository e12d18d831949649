"""The Concept Graph's own code in a real browser: where things stand, and which paths are lit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).resolve().parents[3] / "pages/ui/components/graph/graph_place.js"


def unit(column: int, slot: float, band: int = 0) -> dict[str, Any]:
    return {"column": column, "slot": slot, "band": band, "size": 0.5}


def edge(source: int, target: int) -> dict[str, Any]:
    return {"source": source, "target": target, "weight": 0.5}


# 0 -> 2 -> 4, 1 -> 3 -> 4, and 5 alone.
SCENE = {
    "columns": ["a", "b", "c"],
    "bands": [{"name": "", "rows": 3}],
    "units": [unit(0, 0.5), unit(0, 1.5), unit(1, 0.5), unit(1, 1.5), unit(2, 1.0), unit(2, 2.0)],
    "edges": [edge(0, 2), edge(1, 3), edge(2, 4), edge(3, 4)],
}
# Where names of lanes are written, on a drawing that was moved sideways.
NAMED = """(shift) => {
    const written = [];
    const skip = () => {};
    const fillText = (text, x) => written.push([text, x]);
    const ctx = { measureText: () => ({ width: 40 }), fillText };
    for (const name of ["beginPath", "moveTo", "lineTo", "stroke", "fillRect"]) ctx[name] = skip;
    const lanes = [{ name: "cat alone", top: 40 }, { name: "both classes", top: 90 }];
    const app = { theme: {}, scene: { bands: lanes } };
    paintLanes(ctx, app, { lanes, width: 900, shift });
    return written;
}"""
LIT = """([scene, thing]) => {
    const { units, edges } = pathsThrough(scene, thing);
    return [[...units].sort(), [...edges].sort()];
}"""


@pytest.fixture
def script(page: Page) -> Page:
    page.goto("about:blank")
    page.add_script_tag(content=SCRIPT.read_text())
    return page


@pytest.mark.parametrize(
    ("thing", "units", "edges"),
    [
        ("unit:0", [0, 2, 4], [0, 2]),
        ("unit:4", [0, 1, 2, 3, 4], [0, 1, 2, 3]),
        ("unit:5", [5], []),
        ("edge:1", [1, 3, 4], [1, 3]),
    ],
)
def test_paths_go_up_and_down_but_not_round(
    script: Page, thing: str, units: list[int], edges: list[int]
) -> None:
    assert script.evaluate(LIT, [SCENE, thing]) == [units, edges]


@pytest.mark.parametrize("width", [300, 800, 2200])
def test_what_is_pointed_at_is_what_stands_there(script: Page, width: int) -> None:
    found = script.evaluate(
        """([scene, width]) => {
            const place = placeGraph(scene, width);
            const units = place.placed.map(({ x, y }) => thingAt(place, x, y));
            const edges = place.paths.map((path) => thingAt(place, ...pointOn(path, 0.5)));
            const beyond = place.placed.some(({ x, y, side }) =>
                x - side / 2 < 0 || y + side / 2 > place.height || x + side / 2 > place.width);
            return [units, edges, beyond, thingAt(place, 1, 1)];
        }""",
        [SCENE, width],
    )
    assert found[0] == [f"unit:{at}" for at in range(6)]
    assert found[1] == [f"edge:{at}" for at in range(4)]
    assert found[2:] == [False, ""]


def test_arrows_move_to_the_nearest_neighbour(script: Page) -> None:
    step = "([scene, at, key]) => neighbour(scene, at, key)"
    for at, key, to in (
        (0, "ArrowRight", 2),
        (2, "ArrowDown", 3),
        (3, "ArrowLeft", 1),
        (1, "ArrowUp", 0),
        (0, "ArrowLeft", 0),
        (0, "ArrowUp", 0),
        (3, "ArrowRight", 4),
    ):
        assert script.evaluate(step, [SCENE, at, f"{key}"]) == to, (at, key)


def test_the_names_of_lanes_stay_in_sight(script: Page) -> None:
    script.add_script_tag(content=SCRIPT.with_name("graph_draw.js").read_text())
    assert script.evaluate(NAMED, 0) == [["cat alone", 2], ["both classes", 2]]
    assert script.evaluate(NAMED, 310) == [["cat alone", 312], ["both classes", 312]]


def test_lanes_stand_below_each_other(script: Page) -> None:
    scene = {
        "columns": ["a"],
        "bands": [{"name": "x", "rows": 1}, {"name": "y", "rows": 2}],
        "units": [unit(0, 0.5), unit(0, 1.5, 1), unit(0, 2.5, 1)],
        "edges": [],
    }
    place = script.evaluate("(scene) => placeGraph(scene, 500)", scene)
    tops = [lane["top"] + lane["head"] for lane in place["lanes"]]
    heights = [one["y"] for one in place["placed"]]
    assert tops[0] < heights[0] < place["lanes"][1]["top"] < tops[1] < heights[1] < heights[2]
