"""The Activation Explorer in a real browser: payload, answers, frames, and Plotly beside it.

The app runs on a free port and a headless Chromium opens it. All in one run:

- two layers of 512 units (the bundle's two last of its widest) with two classes and a pair: bytes
  to the browser when a click brings a class that it has not yet seen; that click until the server
  rests and the view has changed; sorting, and showing only some of the neurons, in the browser;
- every layer with every class: from opening the link until the app rests, bytes, errors, and the
  times between animation frames while all rows and the page are scrolled;
- the same opacities and dots as a Plotly chart (`exploring/in_plotly.py`), sorted by the server.

Clicks and changes are dispatched inside the page and timed there. A sort ends with the frame that
shows it: two animation frames, so up to 33 ms are spent waiting for the screen; what drawing
itself took is listed beside it. Frames are those of the page's own thread. Bytes are payloads of
websocket frames, as they leave the server.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.browser import Traffic, chromium, served
from benchmarks.exploring.scene import Scene, choose_scene, walk
from benchmarks.report import Row, limited, row
from ndcore.bundles.bundle import Bundle
from ndcore.errors import BadRequestError
from ndcore.steps import Step, no_step

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REPEATS = 20
PAYLOAD_LIMIT_KB = 200
ANSWER_LIMIT_S = 0.5
FRAME_LIMIT_MS = 100
LONG_FRAME_MS = 50
SCROLL_S = 3.0
# Presses of "taller rows": 8 times the usual height, so that every panel scrolls.
TALLER = 3
COMPONENT = b"activation_view"
PROBE = Path(__file__).with_name("exploring") / "probe.js"
SHOWN = ("unmarked", "all", "marked", "all")


@dataclass(frozen=True)
class Update:
    """Updates by the server: kilobytes to the browser and seconds until it rests, of each."""

    payload: list[float]
    seconds: list[float]


def run(bundle: Bundle, n: int | None = None, *, on_step: Step = no_step) -> dict[str, Any]:
    """Run the benchmark.

    Args:
        bundle: what the app opens.
        n: repetitions of every action (default 20).
        on_step: called with (what is being done, done, total).

    Raises:
        BadRequestError: no browser to drive, or the bundle has too few classes.
    """
    repeats = REPEATS if n is None else n
    if repeats < 1:
        raise BadRequestError(f"the number of repetitions must be at least 1, got {repeats}")
    scene = choose_scene(bundle)

    with chromium() as browser:
        with served("Home.py") as address:
            page, traffic, errors = _opened(browser)
            on_step("two layers, two classes", 0, 0)
            rows, ours, sorting = _two_layers(page, traffic, address, scene, bundle, repeats)
            on_step("all layers, all classes", 0, 0)
            rows += _everything(page, traffic, address, scene, bundle, errors)
            page.context.close()
        on_step("the same with Plotly", 0, 0)
        with served("benchmarks/exploring/in_plotly.py") as address:
            page, traffic, problems = _opened(browser)
            theirs = _plotly(page, traffic, address, scene, repeats)
            page.context.close()
        rows += plotly_rows(theirs, ours, sorting)
        chrome = browser.version
    return {
        "name": "explorer",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Chromium {chrome}, "
        f"streamlit {version('streamlit')}",
        "bundle": bundle.name,
        "layers": list(scene.layers),
        "classes": list(scene.classes),
        "pair": scene.pair,
        "repeats": repeats,
        "errors": errors + problems,
        "rows": rows,
    }


def _opened(browser: Browser) -> tuple[Page, Traffic, list[str]]:
    """A page with the probe in it, its traffic and its uncaught errors."""
    page = browser.new_context(viewport={"width": 1400, "height": 1000}).new_page()
    page.set_default_timeout(180_000)
    page.add_init_script(path=PROBE)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    return page, Traffic(page), errors


def _two_layers(
    page: Page, traffic: Traffic, address: str, scene: Scene, bundle: Bundle, repeats: int
) -> tuple[list[Row], Update, list[float]]:
    """Rows; the view's kilobytes and seconds of clicks to two classes; milliseconds of sorts."""
    first, second = scene.classes
    page.goto(f"{address}/Activation_Explorer?{scene.link(classes=first)}")
    page.evaluate("count => probe.opened(count)", len(scene.layers))
    page.evaluate("() => probe.rest()")
    traffic.take()
    page.evaluate("name => probe.pick(name)", second)
    page.evaluate("() => probe.rest()")
    frames = traffic.take()

    answers = Update([], [])
    for new, old in walk(bundle.classes, scene.classes, repeats):
        page.evaluate("name => probe.pick(name)", new)
        page.evaluate("() => probe.rest()")
        traffic.take()
        answers.seconds.append(page.evaluate("name => probe.pick(name)", old) / 1000)
        page.evaluate("() => probe.rest()")
        answers.payload.append(_of_the_view(traffic.take()))

    orders = page.evaluate("() => probe.orders()")
    sorts = _timed(page, "sort", islice(cycle([*orders[1:], orders[0]]), repeats + 1))
    shows = _timed(page, "show", islice(cycle(SHOWN), repeats + 1))
    units = " + ".join(str(bundle.units(layer)) for layer in scene.layers)
    what = f"{units} units x 2 classes"
    return (
        [
            limited(f"{what}: the view's message", _of_the_view(frames), "kB", PAYLOAD_LIMIT_KB),
            limited(f"{what}: the whole rerun", _kilobytes(frames), "kB", PAYLOAD_LIMIT_KB),
            limited("class clicked, until idle", _median(answers.seconds), "s", ANSWER_LIMIT_S),
            *action_rows("sorted in the browser", sorts),
            *action_rows("marked hidden or shown", shows),
        ],
        answers,
        [each["frame"] for each in sorts],
    )


def _timed(page: Page, act: str, values: Any) -> list[dict[str, float]]:
    """Times of `probe.ACT(value)`; the first warms up, and the server rests before each."""
    found = []
    for value in values:
        found.append(page.evaluate(f"value => probe.{act}(value)", value))
        page.evaluate("() => probe.rest()")
    return found[1:]


def _everything(
    page: Page, traffic: Traffic, address: str, scene: Scene, bundle: Bundle, errors: list[str]
) -> list[Row]:
    """Every layer with every class: opened by a link, then scrolled with taller rows.

    `errors` collects what the page did not catch.
    """
    everything = scene.link(layers=",".join(bundle.layers), classes=",".join(bundle.classes))
    traffic.take()
    page.goto(f"{address}/Activation_Explorer?{everything}")
    seconds = page.evaluate("count => probe.opened(count)", len(bundle.layers)) / 1000
    page.evaluate("() => probe.rest()")
    payload = _kilobytes(traffic.take())
    shown = page.locator('[data-testid="stException"]').count()
    page.evaluate("times => probe.taller(times)", TALLER)
    page.evaluate("() => probe.rest()")
    rows = page.evaluate("seconds => probe.scrollPanels(seconds)", SCROLL_S)
    whole = page.evaluate("seconds => probe.scrollPage(seconds)", SCROLL_S)
    units = sum(bundle.units(layer) for layer in bundle.layers)
    what = f"{len(bundle.layers)} layers x {len(bundle.classes)} classes"
    return [
        row(f"{what}: link opened, until idle", seconds, "s"),
        row(f"{what}: to the browser", payload, "kB"),
        row(f"{what}: errors on the page", shown + len(errors), "errors"),
        *frame_rows(f"rows of {units:,} units scrolled", rows),
        *frame_rows("page scrolled", whole),
    ]


def _plotly(page: Page, traffic: Traffic, address: str, scene: Scene, repeats: int) -> Update:
    """Bytes and seconds of re-sorts; the list's options are those of the chart's page."""
    page.goto(f"{address}/?{scene.link(marks='')}")
    page.evaluate("() => probe.drawnAs('neuron number')")
    medians = [f"median of {name}" for name in scene.classes]
    orders = [*medians, *(["benign", "attacked"] if scene.pair else []), "neuron number"]
    found = Update([], [])
    for order in islice(cycle(orders), repeats + 1):
        page.evaluate("() => probe.rest()")
        page.get_by_role("combobox").click()
        page.get_by_role("option").first.wait_for()
        traffic.take()
        found.seconds.append(page.evaluate("order => probe.choose(order)", order) / 1000)
        page.evaluate("() => probe.rest()")
        found.payload.append(_kilobytes(traffic.take()))
    # Streamlit does not send a chart twice; the bytes asked for are those of a new one.
    return Update(found.payload[: len(orders) - 1], found.seconds[1:])


def plotly_rows(theirs: Update, ours: Update, sorting: Sequence[float]) -> list[Row]:
    """Plotly's updates, and how many times ours they are.

    Args:
        theirs: sorts of the chart.
        ours: clicks on a class.
        sorting: milliseconds of sorts in our view.
    """
    payload, seconds = _median(theirs.payload), _median(theirs.seconds)
    mine = _median(ours.payload), _median(ours.seconds), _median(sorting) / 1000
    return [
        row("Plotly heat map: a new order", payload, "kB", "our view's message", payload / mine[0]),
        row("Plotly heat map: sorted", seconds, "s", "our sort", seconds / mine[2]),
        row("Plotly heat map: any update", seconds, "s", "our class click", seconds / mine[1]),
    ]


def action_rows(what: str, times: Sequence[dict[str, float]]) -> list[Row]:
    """Rows of an action in the browser: until its frame has ended, and drawing alone."""
    frame, draw = (_median([each[kind] for each in times]) for kind in ("frame", "draw"))
    return [
        limited(f"{what}, until the frame's end", frame, "ms", FRAME_LIMIT_MS),
        limited(f"{what}, drawing alone", draw, "ms", FRAME_LIMIT_MS),
    ]


def frame_rows(what: str, deltas: Sequence[float]) -> list[Row]:
    """Rows of the milliseconds between animation frames."""
    times = np.asarray(deltas)
    return [
        row(f"{what}: frame, median", float(np.median(times)), "ms"),
        row(f"{what}: frame, 95th percentile", float(np.quantile(times, 0.95)), "ms"),
        row(
            f"{what}: frames over {LONG_FRAME_MS} ms",
            100 * float((times > LONG_FRAME_MS).mean()),
            "%",
        ),
    ]


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))


def _of_the_view(frames: Sequence[bytes]) -> float:
    """Kilobytes of the messages that hold the Activation view, its script included."""
    return _kilobytes([frame for frame in frames if COMPONENT in frame])


def _kilobytes(frames: Sequence[bytes]) -> float:
    return sum(map(len, frames)) / 1000
