"""The panel “Where neurons fire”: the marked neurons of both images, and no image or mark."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair


def panel(bundle, pair, marks, layers):
    from pages.ui.explorer.positions import positions_panel

    positions_panel(bundle, pair, marks, layers)


def shown(bundle: Bundle, pair: Pair, marks: dict[str, list[int]], layers: list[str]) -> AppTest:
    given = {"bundle": bundle, "pair": pair, "marks": marks, "layers": layers}
    at = AppTest.from_function(panel, default_timeout=60, kwargs=given).run()
    assert not at.exception
    return at


@pytest.fixture
def pair() -> Pair:
    benign = open_source("digits").pixels([3])[0]
    attacked = benign.copy()
    attacked[4, 4] = 255 - attacked[4, 4]
    return Pair("digits:3", benign, attacked, 3)


@pytest.mark.spec("UX-5")
def test_the_panel_shows_the_marked_units_of_both_images(digits_bundle: Bundle, pair: Pair) -> None:
    at = shown(digits_bundle, pair, {"block1_conv2": [2, 5], "dense_1": [1]}, ["dense_1"])
    assert at.selectbox[0].value == "block1_conv2"
    assert at.multiselect[0].value == ["2", "5"]
    markup = json.dumps([block.proto.body for block in at.get("html")])
    assert markup.count("data:image/svg+xml") == 4
    assert not at.dataframe
    at.session_state["positions_table"] = True
    at.run()
    frame = at.dataframe[0].value
    assert list(frame["neuron"]) == [2, 2, 5, 5]
    assert list(frame["image"]) == ["benign", "attacked"] * 2
    assert at.get("download_button")
    at.selectbox[0].set_value("block2_conv1").run()
    assert not at.exception
    assert len(at.multiselect[0].value) == 3


def test_the_panel_without_marks_or_attack(digits_bundle: Bundle, pair: Pair) -> None:
    at = shown(digits_bundle, Pair("", pair.benign), {}, ["dense_1", "block2_conv1"])
    assert at.selectbox[0].value == "block2_conv1"
    markup = json.dumps([block.proto.body for block in at.get("html")])
    assert markup.count("data:image/svg+xml") == 3
    words = " ".join(caption.value for caption in at.caption)
    assert "strongest" in words
    assert "it sees rows" in words
    at.multiselect[0].set_value([]).run()
    assert not at.exception
    assert "Choose a neuron" in at.info[0].value
