"""The panel “How the change spreads”: maps with their numbers, and no attacked image."""

from __future__ import annotations

import json

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle
from ndcore.data.catalog import open_source
from ndcore.data.pairs import Pair


def panel(bundle, pair):
    from pages.ui.explorer.propagation import propagation_panel

    propagation_panel(bundle, pair)


def shown(bundle: Bundle, pair: Pair) -> AppTest:
    at = AppTest.from_function(
        panel, default_timeout=60, kwargs={"bundle": bundle, "pair": pair}
    ).run()
    assert not at.exception
    return at


@pytest.mark.spec("UX-5")
def test_the_panel_draws_maps_and_numbers(digits_bundle: Bundle) -> None:
    benign = open_source("digits").pixels([3])[0]
    attacked = benign.copy()
    attacked[4, 4] = 255 - attacked[4, 4]
    at = shown(digits_bundle, Pair("digits:3", benign, attacked, 3))
    markup = "".join(json.dumps(block.proto.body) for block in at.get("html"))
    assert markup.count("<figure") == 3
    assert "block2_conv1" in markup
    assert not at.dataframe
    at.session_state["propagation_table"] = True
    at.run()
    frame = at.dataframe[0].value
    assert list(frame["layer"]) == list(digits_bundle.layers)
    assert frame["rows"].isna().sum() == 2
    assert at.get("download_button")


def test_the_panel_without_attack_says_so(digits_bundle: Bundle) -> None:
    benign = open_source("digits").pixels([3])[0]
    at = shown(digits_bundle, Pair("digits:3", benign, None, 3))
    assert "no attacked image" in at.info[0].value
    assert not at.get("html")
