"""The Activation view's own code in a real browser: what it reads, and every order it sorts by."""

from __future__ import annotations

import base64
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from ndcore.activations.histograms import ClassHistograms
from ndcore.figures.explorer.activation_panels import ClassPanel, LayerPanel, pack

pytestmark = pytest.mark.e2e

SCRIPT = Path(__file__).resolve().parents[2] / "pages/ui/components/activation/activation_draw.js"
CLASSES = ("cat", "dog", "a:b")
IMAGES = ("benign", "attacked", "2.image")
ORDER = """async ([message, view]) => {
    const bytes = Uint8Array.from(atob(message), (sign) => sign.charCodeAt(0));
    const header = decode(await inflate(bytes));
    const order = ordering(sortItems(header), header.layers[0], view, new Set(view.marks));
    return order;
}"""
KEYS = """async (message) => {
    const bytes = Uint8Array.from(atob(message), (sign) => sign.charCodeAt(0));
    return sortItems(decode(await inflate(bytes))).map((item) => item.key);
}"""


ZEROS = """async (message) => {
    const bytes = Uint8Array.from(atob(message), (sign) => sign.charCodeAt(0));
    return decode(await inflate(bytes)).layers.map((layer) => columns(layer, 300, 0).zeros);
}"""


@pytest.fixture(scope="module")
def panel() -> LayerPanel:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 100)
    values = np.maximum(rng.normal(0.2, 1, (300, 33)), 0).astype(np.float32) * (1 + labels[:, None])
    histograms = ClassHistograms.empty(3, values).update(values, labels)
    images = rng.random((len(IMAGES), 33), np.float32) * 3
    return ClassPanel("layer", "value", histograms).show([0, 1, 2], images)


@pytest.fixture
def message(panel: LayerPanel, page: Page) -> str:
    page.goto("about:blank")
    page.add_script_tag(content=SCRIPT.read_text())
    header = {
        "classes": [{"name": name} for name in CLASSES],
        "instances": [{"key": key, "label": key} for key in IMAGES],
    }
    return base64.b64encode(pack([panel], header)).decode()


def expected(panel: LayerPanel) -> dict[str, NDArray[np.floating]]:
    found = dict(zip((f"class:{name}" for name in CLASSES), panel.medians, strict=True))
    found |= dict(zip(IMAGES, panel.values, strict=True))
    for i, image in enumerate(IMAGES):
        for k, name in enumerate(CLASSES):
            found[f"divergence:{image}:{name}"] = panel.divergence[i, k]
    for row, (first, second) in enumerate(combinations(CLASSES, 2)):
        found[f"separation:{first}:{second}"] = panel.separation[row]
    for k, name in enumerate(CLASSES):
        found[f"zeros:{name}"] = np.rint(65535 * panel.zero_share[k])
    return found


def look(**changes: object) -> dict[str, object]:
    view = {"sort": "index", "minus": "", "descending": True, "show": "all", "marks": []}
    return view | changes


@pytest.mark.spec("ND-12", "ND-13", "ND-14")
def test_every_key_sorts_as_numpy_does(panel: LayerPanel, message: str, page: Page) -> None:
    values = expected(panel)
    assert page.evaluate(KEYS, message) == list(values)
    for key, value in values.items():
        for sign, descending in ((-1, True), (1, False)):
            order = page.evaluate(ORDER, [message, look(sort=key, descending=descending)])
            assert order == np.argsort(sign * value, kind="stable").tolist(), key


@pytest.mark.spec("ND-15")
def test_the_difference_of_any_two_items_sorts(panel: LayerPanel, message: str, page: Page) -> None:
    values = expected(panel)
    plain = [f"class:{name}" for name in CLASSES] + list(IMAGES)
    for first, second in combinations(plain, 2):
        order = page.evaluate(ORDER, [message, look(sort=first, minus=second)])
        difference = values[first].astype(np.float64) - values[second]
        assert order == np.argsort(-difference, kind="stable").tolist()


@pytest.mark.spec("ND-11")
def test_marks_filter_and_what_is_not_on_show_counts_as_the_number(
    message: str, page: Page
) -> None:
    marked = look(show="marked", marks=[5, 2, 30])
    assert page.evaluate(ORDER, [message, marked]) == [2, 5, 30]
    rest = page.evaluate(ORDER, [message, look(show="unmarked", marks=[0, 1])])
    assert rest == list(range(2, 33))
    assert page.evaluate(ORDER, [message, look(sort="class:ship")]) == list(range(33))
    backwards = page.evaluate(ORDER, [message, look(descending=False)])
    assert backwards == list(range(33))[::-1]


@pytest.mark.spec("OM-4")
def test_only_a_layer_with_exact_zeros_has_a_column_of_them(
    panel: LayerPanel, message: str, page: Page
) -> None:
    values = np.random.default_rng(1).normal(0, 1, (90, 5)).astype(np.float32)
    labels = np.repeat(np.arange(3), 30)
    signed = ClassHistograms.empty(3, values).update(values, labels)
    drawn = ClassPanel("signed", "value", signed).show([0, 1, 2], values[: len(IMAGES)])
    header = {
        "classes": [{"name": name} for name in CLASSES],
        "instances": [{"key": key, "label": key} for key in IMAGES],
    }
    both = base64.b64encode(pack([panel, drawn], header)).decode()
    assert page.evaluate(ZEROS, both) == [True, False]
    assert drawn.low < 0
