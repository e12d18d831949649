"""Training Evolution with real clicks: a cell opens its layer, the slider needs no server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from ndcore.data.catalog import open_source
from ndcore.evolution.recording.recorder import RecordConfig, Recorder
from ndcore.networks.registry import model_spec
from ndcore.training.loop import train
from ndcore.training.recipes import recipe
from tests.e2e.conftest import added
from tests.e2e.settled import cut_at, press_until, settle

pytestmark = pytest.mark.e2e

MODEL = "lenet-digits"
CHART = ".st-key-evolution_macro"


@pytest.fixture(scope="module")
def evolution(shown: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The part of a link that opens a short recorded run."""
    folder = tmp_path_factory.mktemp("runs") / MODEL
    train(
        model_spec(MODEL),
        open_source("digits"),
        replace(recipe(MODEL), epochs=6),
        folder,
        recorder=Recorder(folder, RecordConfig(per_class=16, pool=300, top=20, top_last=60)),
    )
    Recorder(folder).finish({"test_accuracy": 0.5})
    with added(shown, f"runs/{MODEL}", folder):
        yield f"?run={MODEL}"


def opened(page: Page, server: str, link: str) -> None:
    page.goto(f"{server}/Training_Evolution{link}")
    expect(page.locator(f"{CHART} .heatmaplayer image").first).to_be_visible()
    settle(page)


def press_cell(page: Page, across: float, down: float, answer: str) -> None:
    """Click at these parts of the heat map's width and height until the link says `answer`."""

    def press() -> None:
        box = page.locator(f"{CHART} .heatmaplayer image").first.bounding_box()
        assert box is not None
        page.mouse.click(box["x"] + box["width"] * across, box["y"] + box["height"] * down)

    press_until(press, lambda most: page.wait_for_url(re.compile(answer), timeout=most))


def part(page: Page, name: str) -> None:
    page.locator(".st-key-evo_part button", has_text=name).click()
    settle(page)


def test_a_click_on_a_cell_opens_its_layer_and_a_link_restores_it(
    page: Page, server: str, evolution: str
) -> None:
    opened(page, server, f"{evolution}&epoch=1")
    # Rows are layers from the top, columns epochs: row 7 of 12, the left of epoch 2 of 6.
    press_cell(page, 1.2 / 6, 6.5 / 12, "layer=conv3")
    expect(page).to_have_url(re.compile("epoch=2"))
    settle(page)
    expect(page.get_by_text("Kinds of neurons in conv3 at epoch 2")).to_be_visible()
    url = page.url
    page.goto("about:blank")
    page.goto(url)
    expect(page.get_by_text("Kinds of neurons in conv3 at epoch 2")).to_be_visible()
    part(page, "Network")
    name = page.locator(f"{CHART} .ytick text", has_text="conv3").first
    assert name.evaluate("text => getComputedStyle(text).fontWeight") == "800"


def test_a_neuron_of_the_graph_of_two_epochs_leads_to_its_patches(
    page: Page, server: str, evolution: str
) -> None:
    opened(page, server, evolution)
    part(page, "Graph")
    canvas = page.locator(".st-key-evo_graph_canvas .canvas")
    title = "Concept graph of 0 at epoch 6 less that of 0 at epoch 1"
    expect(canvas).to_have_attribute("aria-label", re.compile(title))
    spot = canvas.evaluate(
        """(canvas) => {
            const root = canvas.getRootNode();
            const { scene, place } = root.graphView ?? canvas.closest(".view").parentNode.graphView;
            const at = scene.units.findIndex(({ column }) => column === 1);
            return { x: place.placed[at].x, y: place.placed[at].y, key: scene.units[at].key };
        }"""
    )
    canvas.click(position={"x": spot["x"], "y": spot["y"]})
    settle(page)
    page.get_by_role("button", name="Look into").click()
    settle(page)
    layer, unit = spot["key"].split(":")
    expect(page.get_by_text(f"{layer} · neuron {unit}, epoch 6")).to_be_visible()


@pytest.mark.parametrize("run", ["lenet", "nin-bn", "lenet-d"])
def test_the_whole_map_is_in_view(page: Page, server: str, run: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    opened(page, server, f"?run={run}")
    box = page.locator(f"{CHART} .heatmaplayer image").first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] <= 900


def test_tip_link_slider_and_mark_name_the_epoch_that_was_clicked(page: Page, server: str) -> None:
    """Of 45 narrow cells, in one without details and off its middle."""
    page.set_viewport_size({"width": 1400, "height": 900})
    opened(page, server, "?run=lenet")
    box = page.locator(f"{CHART} .heatmaplayer image").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 6.75 / 45, box["y"] + box["height"] * 5.7 / 12
    page.mouse.move(x - 3, y)
    page.mouse.move(x, y)
    expect(page.locator(f"{CHART} .hoverlayer")).to_contain_text("epoch 7")
    press_cell(page, 6.75 / 45, 5.7 / 12, "epoch=7(&|$)")
    expect(page.get_by_text("were not kept at epoch 7; clusters")).to_contain_text("epoch 10,")
    settle(page)
    part(page, "Network")
    expect(page.locator(f"{CHART} .slider-label").first).to_contain_text("epoch 7 ·")
    frames = page.evaluate(
        """chart => {
            const shown = document.querySelector(chart + " .js-plotly-plot").data;
            const boxes = shown.filter(({mode, x}) => mode === "lines" && x.length === 5);
            return boxes.map(({x, y}) => [x[0], x[1], y[0], y[2]]);
        }""",
        CHART,
    )
    assert frames == [[6.5, 7.5, 4.5, 5.5]] * 2 + [[6.5, 7.5, -0.5, 11.5]] * 2


def test_the_slider_scrubs_in_the_browser_alone(page: Page, server: str, evolution: str) -> None:
    opened(page, server, evolution)
    told = page.locator(f"{CHART} .slider-label").first
    expect(told).to_contain_text("epoch 6 ·")
    # The dots at the right, each with its value.
    dots = page.locator(f"{CHART} .scatterlayer .textpoint")
    expect(dots).to_have_count(12)
    before = dots.all_text_contents()
    page.context.set_offline(True)
    rail = page.locator(f"{CHART} .slider-rail-touch-rect").bounding_box()
    assert rail is not None
    page.mouse.click(rail["x"] + 0.02 * rail["width"], rail["y"] + rail["height"] / 2)
    expect(told).to_contain_text("epoch 1 ·")
    expect(dots).not_to_have_text(before)
    expect(page.locator(f"{CHART} .heatmaplayer image").first).to_be_visible()
    page.context.set_offline(False)


def test_a_dot_of_the_map_opens_its_neuron_and_its_facets(
    page: Page, server: str, evolution: str
) -> None:
    opened(page, server, f"{evolution}&layer=conv5&unit=3")
    part(page, "Neuron")
    expect(page.get_by_text("conv5 · neuron 3, epoch 6")).to_be_visible()
    part(page, "Layer")
    dot = page.locator(".st-key-evolution_map .scatterlayer .trace .point").first
    dot.scroll_into_view_if_needed()
    box = dot.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    settle(page)
    part(page, "Neuron")
    expect(page.get_by_text(re.compile(r"^conv5 · neuron \d+, epoch 6$"))).to_be_visible()
    settle(page)
    page.locator(".st-key-evo_show_facets button").click()
    expect(page.locator(".st-key-evolution_facets .scatterlayer .point").first).to_be_visible()
    settle(page)
    expect(page.get_by_text(re.compile("facet 10: "))).to_be_visible()


CUT = """() => {
    const wide = (element, place) => {
        const [own, edge] = [element.getBoundingClientRect(), place.getBoundingClientRect()];
        return own.width > 3 && (own.right > edge.right + 1 || own.left < edge.left - 1);
    };
    const main = document.querySelector("[data-testid=stMainBlockContainer]");
    const found = [...main.querySelectorAll(".main-svg, figure, button, label, table")];
    const words = [...main.querySelectorAll(".js-plotly-plot text")];
    return [
        ...found.filter(element => wide(element, main)),
        ...words.filter(text => wide(text, text.closest(".js-plotly-plot"))),
    ].map(element => element.tagName + " " + element.textContent);
}"""


def test_the_dots_of_the_plane_keep_their_room_when_it_is_laid_out_again(
    page: Page, server: str
) -> None:
    across = """() => {
        const dots = [...document.querySelectorAll(".st-key-evolution_map .point")]
            .map(dot => dot.getBoundingClientRect().x);
        return Math.max(...dots) - Math.min(...dots);
    }"""
    page.set_viewport_size({"width": 1400, "height": 900})
    opened(page, server, "?run=nin-bn&layer=relu5")
    part(page, "Layer")
    settle(page)
    first = page.evaluate(across)
    assert first > 200
    for width in (500, 2200, 500, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        settle(page)
        page.wait_for_timeout(500)
    assert page.evaluate(across) == pytest.approx(first, rel=0.05)


def test_nothing_is_cut_at_any_width(page: Page, server: str) -> None:
    opened(page, server, "?run=lenet&layer=relu3")
    for name in ("Network", "Layer", "Neuron", "Findings"):
        part(page, name)
        for width in (2200, 1400, 800, 400):
            assert cut_at(page, width, CUT) == [], (name, width)


def test_the_main_picture_is_in_view_after_every_step(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 900})
    pictures = {
        "Network": f"{CHART} .heatmaplayer image",
        "Layer": ".st-key-evolution_levels_0 .js-plotly-plot",
        "Findings": "[data-testid=stTable]",
    }

    def in_view(name: str) -> None:
        settle(page)
        whole = 0.9 if name != "Findings" else 0.5  # a table of twelve networks
        expect(page.locator(pictures[name]).first).to_be_in_viewport(ratio=whole)

    opened(page, server, "?run=lenet")
    in_view("Network")
    press_cell(page, 44.5 / 45, 0.6, "part=Layer")
    in_view("Layer")
    for control in ("evo_layer", "evo_unit", "evo_run"):
        page.locator(f".st-key-{control} input").first.click()
        page.locator("[role=option]").nth(3).click()
        in_view("Layer")
    for name in ("Findings", "Network"):
        part(page, name)
        in_view(name)


def test_the_shipped_runs_open_with_their_findings(page: Page, server: str) -> None:
    page.set_viewport_size({"width": 1400, "height": 1000})
    opened(page, server, "?run=lenet&against=shallow&layer=relu3")
    part(page, "Layer")
    expect(page.get_by_text("lenet · relu3: 64 neurons")).to_be_visible()
    expect(page.locator(".st-key-evolution_map image").first).to_be_visible()
    settle(page)
    part(page, "Findings")
    table = page.locator("[data-testid=stTable]").first
    expect(table.get_by_text("80.24%")).to_be_visible()
    settle(page)
    for width in (1400, 800):
        page.set_viewport_size({"width": width, "height": 1000})
        settle(page)
        edge = page.locator("[data-testid=stMainBlockContainer]").bounding_box()
        box = table.bounding_box()
        assert box is not None
        assert edge is not None
        assert box["x"] + box["width"] <= edge["x"] + edge["width"]
