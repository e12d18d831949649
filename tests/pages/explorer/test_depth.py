"""The panel “Depth profile”: a pair, an image alone, and what its cache is keyed by."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ndcore.activations.reading import Reading
from ndcore.analysis.depth import depth_profile, depth_sentence
from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair
from ndcore.figures.explorer.depth_profile import MEASURES
from pages.ui.images.pair_key import pair_key


def test_the_cache_key_knows_every_pixel(digits_bundle: Bundle, pair: Pair) -> None:
    assert pair.attacked is not None
    other = pair.attacked.copy()
    other[0, 0] = 255 - other[0, 0]
    pairs = [pair, replace(pair, attacked=other), replace(pair, attacked=None)]
    assert len({pair_key(digits_bundle, one) for one in pairs}) == 3
    assert pair_key(digits_bundle, pair) == pair_key(digits_bundle, replace(pair, image_id="x"))


def panel(bundle, pair, reading):
    from pages.ui.explorer.depth import depth_panel

    depth_panel(bundle, pair, reading)


def read(bundle: Bundle, pair: Pair) -> Reading:
    images = [pair.benign] if pair.attacked is None else [pair.benign, pair.attacked]
    return bundle.read(np.stack(images))


def shown(bundle: Bundle, pair: Pair) -> AppTest:
    given = {"bundle": bundle, "pair": pair, "reading": read(bundle, pair)}
    at = AppTest.from_function(panel, default_timeout=60, kwargs=given).run()
    assert not at.exception
    return at


@pytest.mark.spec("UX-5")
def test_the_panel_draws_a_pair(digits_bundle: Bundle, pair: Pair) -> None:
    at = shown(digits_bundle, pair)
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert len(figure["data"]) >= 4
    assert figure["layout"]["yaxis"]["title"]["text"] == f"{MEASURES['score']} (log)"
    assert not at.dataframe
    at.session_state["depth_table"] = True
    at.run()
    assert at.get("download_button")
    frame = at.dataframe[0].value
    assert set(frame["layer"]) == set(digits_bundle.layers)
    assert set(frame["image"]) == {"benign", "attacked"}
    profile = depth_profile(digits_bundle, read(digits_bundle, pair), pair.label)
    assert at.markdown[0].value == depth_sentence(profile, digits_bundle.classes)
    at.segmented_control(key="depth_measure").set_value("percentile").run()
    assert not at.exception
    figure = json.loads(at.get("plotly_chart")[0].proto.spec)
    assert figure["layout"]["yaxis"]["title"]["text"] == MEASURES["percentile"]


@pytest.mark.parametrize("label", [None, 3])
def test_the_panel_draws_an_image_without_attack(digits_bundle: Bundle, label: int | None) -> None:
    pixels = open_source("digits").pixels([3])[0]
    at = shown(digits_bundle, Pair("", pixels, None, label))
    assert len(at.get("plotly_chart")) == 1
    assert "No image was attacked" in at.markdown[0].value
