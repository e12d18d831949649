"""The Activation Explorer by AppTest: what the page sends to the browser, and its words."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ndcore.analysis.story import tell
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from tests.ui import components, linked, opened, texts

PAGE = "pages/2_Activation_Explorer.py"


def sent(at: AppTest) -> dict[str, Any]:
    """Header of the message to the Activation view."""
    data = zlib.decompress(components(at)[0].proto.bytes)
    length = struct.unpack_from("<I", data)[0]
    return dict(json.loads(data[4 : 4 + length]))


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["name"] for item in items]


def toggle(at: AppTest, key: str, name: str) -> AppTest:
    """Click a pill."""
    held = list(at.session_state[key])
    at.session_state[key] = [n for n in held if n != name] if name in held else [*held, name]
    return at.run()


@pytest.fixture
def explorer(pair: Pair) -> AppTest:
    at = opened(PAGE, pair=pair.token())
    assert not at.exception
    assert not at.error
    return at


@pytest.mark.spec("ND-1")
def test_any_number_of_layers(explorer: AppTest, digits_bundle: Bundle) -> None:
    assert names(sent(explorer)["layers"]) == list(digits_bundle.layers[-2:])
    explorer.button(key="all_layers").click().run()
    assert names(sent(explorer)["layers"]) == list(digits_bundle.layers)
    at = toggle(explorer, "pills_layers", digits_bundle.layers[0])
    assert names(sent(at)["layers"]) == list(digits_bundle.layers[1:])
    assert [layer["units"] for layer in sent(at)["layers"]] == [
        digits_bundle.units(layer) for layer in digits_bundle.layers[1:]
    ]


@pytest.mark.spec("ND-2", "SP-1")
def test_any_number_of_classes(explorer: AppTest, digits_bundle: Bundle) -> None:
    row = digits_bundle.gallery[0]
    assert set(names(sent(explorer)["classes"])) == {
        row.predicted_before,
        row.predicted_after,
    }
    for name in digits_bundle.classes:
        if name not in explorer.session_state["pills_classes"]:
            toggle(explorer, "pills_classes", name)
    assert names(sent(explorer)["classes"]) == list(digits_bundle.classes)
    layer = digits_bundle.layers[-1]
    n = digits_bundle.distributions(layer, digits_bundle.reductions(layer)[0]).n
    assert [item["n"] for item in sent(explorer)["classes"]] == n.tolist()


def test_a_new_pair_brings_its_own_classes(explorer: AppTest, digits_bundle: Bundle) -> None:
    source = open_source("digits")
    predicted = digits_bundle.read(source.pixels(list(range(20)))).predicted
    before = set(explorer.session_state["pills_classes"])
    i = next(i for i in range(20) if digits_bundle.classes[int(predicted[i])] not in before)
    pair = Pair(f"digits:{i}", source.pixels([i])[0], None, int(source.labels[i]))
    explorer.session_state["pair"] = (digits_bundle.name, pair)
    explorer.session_state["kept_pair"] = [pair.token()]
    explorer.query_params["pair"] = pair.token()
    explorer.run()
    assert not explorer.exception
    assert names(sent(explorer)["classes"]) == [digits_bundle.classes[int(predicted[i])]]


@pytest.mark.spec("ND-3")
def test_both_images_of_the_pair_are_marks(explorer: AppTest, pair: Pair) -> None:
    found = sent(explorer)["instances"]
    assert [item["key"] for item in found] == ["benign", "attacked"]
    assert len({item["shape"] for item in found}) == 2
    assert len({item["colour"] for item in found}) == 2
    shown = "".join(html.proto.body for html in explorer.get("html"))
    pictures = re.findall(r"data:image/svg\+xml;base64,([\w+/=]+)", shown)
    assert len(pictures) >= 2
    (change,) = pair.changes
    ring = f'cx="{change.col + 0.5}" cy="{change.row + 0.5}"'
    assert any(ring in base64.b64decode(picture).decode() for picture in pictures)


def test_the_reduction_of_convolution_units_is_a_switch(explorer: AppTest) -> None:
    explorer.session_state["pills_layers"] = ["block1_conv1"]
    assert sent(explorer.run())["layers"][0]["reduction"] == "max"
    explorer.session_state["reduction"] = "mean"
    explorer.run()
    assert sent(explorer)["layers"][0]["reduction"] == "mean"


@pytest.mark.spec("ND-17")
def test_the_models_accuracy_is_on_show(explorer: AppTest, digits_bundle: Bundle) -> None:
    accuracy = digits_bundle.manifest["accuracy"]["accuracy"]
    assert f"Accuracy {100 * accuracy:.1f}%" in texts(explorer)


@pytest.mark.spec("ND-19", "ND-20", "ND-21")
@pytest.mark.parametrize(
    ("view", "sort", "shown", "classes"),
    [(1, "class:", 2, 2), (2, "attacked", 1, 1), (3, "benign", 1, 1)],
)
def test_rachaels_views_are_one_click_each(
    explorer: AppTest,
    digits_bundle: Bundle,
    pair: Pair,
    view: int,
    sort: str,
    shown: int,
    classes: int,
) -> None:
    claims = tell(digits_bundle, pair)
    assert not any(claim.plain in texts(explorer) for claim in claims)
    explorer.button(key=f"story_{view}").click().run()
    assert not explorer.exception
    header = sent(explorer)
    assert header["view"]["sort"].startswith(sort)
    assert len(header["instances"]) == shown
    assert len(header["classes"]) == classes
    told = texts(explorer)
    # Only what was looked at is told, in plain words and with its numbers.
    assert [claim.view for claim in claims if claim.plain in told] == [view]
    assert [claim.view for claim in claims if claim.sentence in told] == [view]


@pytest.mark.spec("UX-5")
def test_the_table_is_the_pictures_twin(explorer: AppTest, digits_bundle: Bundle) -> None:
    assert "numbers" not in [frame.key for frame in explorer.dataframe]
    explorer.session_state["numbers_open"] = True
    explorer.run()
    frame = explorer.dataframe[0].value
    layers = digits_bundle.layers[-2:]
    assert len(frame) == sum(digits_bundle.units(layer) for layer in layers)
    name = sent(explorer)["classes"][0]["name"]
    found = digits_bundle.distributions(layers[0], digits_bundle.reductions(layers[0])[-1])
    label = digits_bundle.classes.index(name)
    medians = frame[frame["layer"] == layers[0]][f"{name} median"]
    np.testing.assert_allclose(medians, found.medians()[label], rtol=1e-6)
    for words in ("zeros", "5%", "95%"):
        assert f"{name} {words}" in frame.columns
    assert any(column.endswith(f"divergence from {name}") for column in frame.columns)


@pytest.mark.parametrize("tab", ["Depth profile", "How the change spreads", "Where neurons fire"])
def test_the_closer_views_open(explorer: AppTest, tab: str) -> None:
    explorer.session_state["closer"] = tab
    explorer.run()
    assert not explorer.exception
    assert not explorer.error


def test_what_was_measured_and_drawn_is_kept(
    explorer: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def made_again(*_: object) -> None:
        raise AssertionError

    for name in ("depth_profile", "depth_figure", "depth_rows"):
        monkeypatch.setattr(f"pages.ui.explorer.depth.{name}", made_again)
    chart = explorer.get("plotly_chart")[0].proto.spec
    assert explorer.run().get("plotly_chart")[0].proto.spec == chart
    assert not explorer.exception


def test_without_an_image_the_classes_are_drawn(digits_bundle: Bundle) -> None:
    at = opened(PAGE, pair="-")
    assert not at.exception
    header = sent(at)
    assert header["instances"] == []
    assert len(header["classes"]) == 2
    assert "Attack one in the Attack Lab" in texts(at)


LOOKS = {
    "sort": "divergence:attacked:3",
    "minus": "class:3",
    "order": "low",
    "show": "marked",
    "rows": "4",
    "opacity": "neuron",
    "hidden": "class:7,benign",
    "marks": "block1_conv1:2,5;dense_1:0",
}


def test_order_looks_and_marks_are_in_the_link(explorer: AppTest, digits_bundle: Bundle) -> None:
    assert not [name for name in LOOKS if name in explorer.query_params], "as at first"
    before = sent(explorer)["stamp"]
    for name, value in LOOKS.items():
        explorer.query_params[name] = value
    explorer.run()
    assert not explorer.warning
    assert {name: linked(explorer, name) for name in LOOKS} == LOOKS
    header = sent(explorer)
    assert header["stamp"] > before, "the browser takes it over"
    assert header["view"] == {
        "sort": "divergence:attacked:3",
        "minus": "class:3",
        "descending": False,
        "show": "marked",
        "zoom": 4,
        "contrast": "neuron",
        "hidden": ["class:7", "benign"],
    }
    assert header["marks"] == {"block1_conv1": [2, 5], "dense_1": [0]}
    assert sent(explorer.run())["stamp"] == header["stamp"]


@pytest.mark.parametrize("name", [*LOOKS, "layers", "classes", "reduction", "closer"])
@pytest.mark.parametrize("value", ["moon", "9" * 400, "[a](http://b)", "block1_conv1:99999"])
@pytest.mark.usefixtures("digits_bundle")
def test_nonsense_is_one_sentence(name: str, value: str) -> None:
    pair = Pair("digits:3", open_source("digits").pixels([3])[0]).token()
    at = opened(PAGE, **{name: value}, pair=pair)
    assert not at.exception
    assert len(at.warning) == 1
    assert "which there is not" in at.warning[0].value
    assert "[a](" not in at.warning[0].value
    assert name not in at.query_params
    assert not at.run().warning


def test_what_a_panel_shows_is_in_the_link_until_it_is_about_something_else(
    explorer: AppTest, digits_bundle: Bundle
) -> None:
    explorer.session_state["closer"] = "Where neurons fire"
    explorer.run()
    explorer.selectbox(key="positions_layer").set_value("block2_conv1").run()
    explorer.multiselect(key="positions_units").set_value(["1", "4"]).run()
    link = dict(explorer.query_params)
    again = opened(PAGE, **link)
    assert again.selectbox(key="positions_layer").value == "block2_conv1"
    assert again.multiselect(key="positions_units").value == ["1", "4"]
    again.selectbox(key="positions_layer").set_value("block1_conv1").run()
    assert "positions_units" not in again.query_params, "another layer, other neurons"
    again.query_params["marks"] = "block2_conv1:6"
    again.run()
    assert again.selectbox(key="positions_layer").value == "block2_conv1"
    assert again.multiselect(key="positions_units").value == ["6"]


def test_no_class_at_all_is_something_a_link_can_say(explorer: AppTest) -> None:
    explorer.session_state["pills_classes"] = []
    explorer.run()
    assert sent(opened(PAGE, **dict(explorer.query_params)))["classes"] == []


def test_names_of_classes_are_no_markup(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = tuple(f"[{name}](http://b)" for name in digits_bundle.classes)
    monkeypatch.setattr(digits_bundle, "classes", names)
    monkeypatch.setattr("pages.ui.frame.loaders.bundle", lambda name: digits_bundle)
    token = Pair("digits:3", open_source("digits").pixels([3])[0]).token()
    for tab in ("Depth profile", "Where neurons fire"):
        at = opened(PAGE, pair=token, closer=tab, **{"with": "digits:5~1.1.ff"})
        assert not at.exception
        told = [texts(at), *at.pills(key="pills_classes").options]
        assert not [text for text in told if re.search(r"(?<!\\)\]\(", text)]
