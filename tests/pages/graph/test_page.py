"""The Concept Graph's page: what it draws and says, and the ways to and from other pages."""

from __future__ import annotations

import json
import re
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ndcore.analysis.mechanism.attacked_units import FEWEST
from ndcore.analysis.mechanism.faithful_classes import Asked, keep_faithful
from ndcore.bundles.bundle import Bundle, load_bundle
from ndcore.concept_graph.faithful import (
    ACTIVE,
    RANDOM,
    Faithfulness,
    PairedGap,
    paired_gaps,
)
from ndcore.data.pairs import Pair
from ndcore.statistics.intervals import Rate
from pages.ui.components.graph.graph_view import Pin
from pages.ui.frame.page_list import DETECTOR, EXPLORER, GRAPH, TOPOLOGY
from pages.ui.graph import exploits
from pages.ui.graph.carries_all import claim
from pages.ui.graph.opened import attacked_images
from tests.ui import components, ended, job_of, linked, opened, texts


def scene(at: AppTest) -> dict[str, Any]:
    """The header of what the canvas draws, with what is kept."""
    (drawn,) = components(at)
    message = drawn.proto.bytes
    length, picture = struct.unpack("<II", message[:8])
    header: dict[str, Any] = json.loads(message[8 : 8 + length])
    return header | json.loads(message[8 + length + picture :])


def measured(at: AppTest) -> AppTest:
    """The page, once the job that measures images for it has ended."""
    for _ in range(600):
        assert not at.exception
        if all(button.key != "stop_graph-images" for button in at.button):
            return at
        time.sleep(0.05)
        at.run()
    raise AssertionError("the images are measured for too long")


def keys(at: AppTest, layer: str = "") -> list[str]:
    """The units that are drawn, of a layer or all."""
    return [unit["key"] for unit in scene(at)["units"] if unit["key"].startswith(layer)]


@pytest.mark.spec("SP-4", "SP-5", "SP-6")
def test_a_class_is_drawn_with_what_it_carries(digits_bundle: Bundle) -> None:
    at = opened(GRAPH.path, graph_class="3")
    assert not at.exception
    drawn = scene(at)
    assert drawn["columns"] == list(digits_bundle.layers)
    assert "of the influence on 3" in texts(at)
    assert [unit["label"] for unit in drawn["units"] if unit["label"]] == ["3"]
    layer = digits_bundle.layers[-1]
    assert drawn["units"][-1]["title"] == f"{layer} · neuron 3 · class 3"
    assert drawn["legend"][0]["text"].startswith("size: share of the influence on 3 ")
    for column in range(len(drawn["columns"])):
        assert 1 <= sum(unit["column"] == column for unit in drawn["units"]) <= 15
    for edge in drawn["edges"]:
        source, target = (drawn["units"][edge[end]] for end in ("source", "target"))
        assert source["column"] < target["column"]


@pytest.mark.usefixtures("digits_bundle")
def test_fewer_units_and_edges_are_drawn_where_fewer_are_asked_for() -> None:
    at = opened(GRAPH.path)
    before = scene(at)
    at.slider(key="graph_units").set_value(3).run()
    at.slider(key="graph_edges").set_value(1).run()
    after = scene(at)
    assert len(after["units"]) < len(before["units"])
    assert len(after["edges"]) < len(before["edges"])
    assert linked(at, "graph_units") == "3"
    fresh = opened(GRAPH.path, **dict(at.query_params))
    assert scene(fresh)["units"] == after["units"]


@pytest.mark.spec("CG-6")
@pytest.mark.usefixtures("digits_bundle")
def test_a_difference_has_two_signs() -> None:
    at = opened(GRAPH.path, graph_show="difference", graph_class="3", graph_other="8")
    assert not at.exception
    drawn = scene(at)
    assert {unit["sign"] for unit in drawn["units"]} == {-1, 1}
    assert "3 less 8" in texts(at)
    assert "by the logit of 3 in the one, of 8 in the other" in texts(at)
    told = dict(drawn["units"][0]["told"])
    assert {"3", "8", "difference", "z"} <= set(told)
    assert told["compared"] == "influence on its own class"


@pytest.mark.usefixtures("digits_bundle")
def test_a_neuron_that_is_not_drawn_has_no_empty_tables() -> None:
    at = opened(GRAPH.path, graph_units="1")
    layer = keys(at)[0].rsplit(":", 1)[0]
    undrawn = next(key for key in (f"{layer}:0", f"{layer}:1") if key not in keys(at))
    told = texts(opened(GRAPH.path, graph_units="1", pin=undrawn))
    assert "This neuron is not in the drawing" in told
    assert "What drives it" not in told
    assert "No edge of the graph" not in told
    assert "What it drives" in texts(opened(GRAPH.path, graph_units="1", pin=keys(at)[0]))


def test_a_neuron_that_is_not_drawn_is_told_its_place_and_brought_there(
    digits_bundle: Bundle,
) -> None:
    every = keys(opened(GRAPH.path, graph_class="3", graph_units="30"))
    layer = every[0].rsplit(":", 1)[0]
    few = opened(GRAPH.path, graph_class="3", graph_units="1")
    later = next(key for key in every if key.startswith(layer) and key not in keys(few))
    at = opened(GRAPH.path, graph_class="3", graph_units="1", pin=later)
    count = digits_bundle.units(layer)
    told = texts(at)
    assert re.search(
        rf"it is number \d+ of {count} in its layer by influence on 3 \(.*% of it\)", told
    )
    at.button(key="graph_draw_more").click().run()
    assert later in keys(at)
    assert "not in the drawing" not in texts(at)


def test_a_neuron_of_another_class_leads_to_the_graph_of_that_class(digits_bundle: Bundle) -> None:
    last = digits_bundle.layers[-1]
    at = opened(GRAPH.path, graph_class="3", pin=f"{last}:8")
    assert "the graph of 3 ends at the logit of 3" in texts(at)
    at.button(key="graph_draw_class").click().run()
    assert linked(at, "graph_class") == "8"
    assert f"{last}:8" in keys(at)
    assert "not in the drawing" not in texts(at)


def test_ringed_neurons_that_nothing_draws_are_not_promised(digits_bundle: Bundle) -> None:
    last = digits_bundle.layers[-1]
    at = opened(GRAPH.path, graph_class="3", ringed=f"{last}:8")
    told = texts(at)
    assert "1 neuron brought here, 0 of them in this drawing" in told
    assert "“More”" not in told
    assert "The other counts for too little here to be drawn" in told
    assert at.button(key="graph_ringed_explorer")


@pytest.mark.usefixtures("digits_bundle")
def test_what_is_kept_is_told_and_in_the_link() -> None:
    at = opened(GRAPH.path)
    key = keys(at)[0]
    layer, number = key.rsplit(":", 1)
    at.query_params["pin"] = key
    at.run()
    assert not at.exception
    assert scene(at)["pinned"] == key
    assert any(f"{layer} · neuron {number}" in html.proto.body for html in at.get("html"))
    assert "What drives it" in texts(at)
    edge = scene(at)["edges"][0]
    units = scene(at)["units"]
    at.query_params["pin"] = f"{units[edge['source']]['key']}>{units[edge['target']]['key']}"
    at.run()
    assert not at.exception
    assert not at.warning
    assert any("of what the target receives" in str(table.value) for table in at.table)


@pytest.mark.parametrize("pin", ["x", "a:1>b:2", "dense_1:99999", "<b>x</b>:1", ">", "a:1>b:2>c:3"])
@pytest.mark.usefixtures("digits_bundle")
def test_a_link_that_keeps_nothing_is_one_sentence(pin: str) -> None:
    at = opened(GRAPH.path, pin=pin)
    assert not at.exception
    assert len(at.warning) == 1
    assert "<b>" not in at.warning[0].value
    assert not at.run().warning


@pytest.mark.spec("CG-9")
@pytest.mark.usefixtures("digits_bundle")
def test_names_stand_in_the_drawing_and_in_the_link() -> None:
    at = opened(GRAPH.path, graph_groups="1")
    key = next(unit["key"] for unit in scene(at)["units"] if unit["group"] == 0)
    at.text_input(key="graph_group_1").set_value("loops").run()
    assert "loops" in [group["name"] for group in scene(at)["groups"]]
    at.query_params["pin"] = key
    at.run()
    at.text_input(key=f"graph_name_{key}").set_value("a curve").run()
    assert "a curve" in [unit["label"] for unit in scene(at)["units"]]
    fresh = opened(GRAPH.path, **dict(at.query_params))
    assert "a curve" in [unit["label"] for unit in scene(fresh)["units"]]
    assert "loops" in [group["name"] for group in scene(fresh)["groups"]]


@pytest.mark.spec("SP-8")
def test_from_the_explorer_to_the_graph_and_back(digits_bundle: Bundle) -> None:
    layer = digits_bundle.layers[0]
    at = opened(EXPLORER.path, layers=layer, classes="3", marks=f"{layer}:2")
    at.button(key="to_graph").click().run()
    assert not at.exception
    assert at.title[0].value == GRAPH.name
    assert (linked(at, "pin"), linked(at, "graph_class")) == (f"{layer}:2", "3")
    at.button(key="graph_explorer").click().run()
    assert not at.exception
    assert at.title[0].value == EXPLORER.name
    assert at.session_state["explorer_view"][1].marks == {layer: (2,)}
    assert at.session_state["pills_classes"] == ["3"]


def test_the_units_behind_a_verdict_are_ringed(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(DETECTOR.path, pair=pair.token(), detector="wasserstein")
    at.button(key="graph_attacked").click().run()
    assert not at.exception
    assert at.title[0].value == GRAPH.name
    ringed = at.query_params["ringed"]
    drawn = scene(at)
    marked = [unit["key"] for unit in drawn["units"] if unit["marked"]]
    assert marked == [unit["key"] for unit in drawn["units"] if unit["key"] in ringed]
    assert f"{len(ringed)} neurons brought here, {len(marked)} of them" in texts(at)
    left = "of them be drawn" in texts(at) or "too little here to be drawn" in texts(at)
    assert left == (len(marked) < len(ringed))
    at.switch_page(GRAPH.path).run()
    at.button(key="graph_unring").click().run()
    assert "ringed" not in at.query_params
    assert not any(unit["marked"] for unit in scene(at)["units"])


def test_the_pair_lies_over_its_class(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(GRAPH.path, pair=pair.token())
    assert all(unit["pair"] is None for unit in scene(at)["units"])
    measured(at.toggle(key="graph_pair").set_value(True).run())
    drawn = scene(at)
    assert all(len(unit["pair"]) == 2 for unit in drawn["units"])
    assert any(edge["marked"] for edge in drawn["edges"])


@pytest.mark.spec("CG-8")
def test_a_neuron_and_an_edge_are_held(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(GRAPH.path, pair=pair.token())
    drawn = scene(at)
    edge = drawn["edges"][0]
    source, target = (drawn["units"][edge[end]]["key"] for end in ("source", "target"))
    for pin, what in ((source, "this neuron"), (f"{source}>{target}", "this edge")):
        at.query_params["pin"] = pin
        at.run()
        at.button(key="graph_hold").click().run()
        ended(job_of(at, "hold"))
        at.run()
        assert not at.exception
        assert f"With {what} held at its mean over all images" in texts(at)
        (table,) = [each.value for each in at.table if "held" in each.value]
        assert table["held"].tolist()[:2] == ["nothing", what]
        assert "attacked image" in table


@pytest.mark.usefixtures("digits_bundle")
def test_what_was_found_of_a_held_neuron_outlives_other_pages_and_stop(pair: Pair) -> None:
    at = opened(GRAPH.path, graph_class="3")
    key = keys(at)[0]
    clicked = Pin(key, 2**60)
    at.session_state["graph_pin"] = (clicked, Pin())
    at.run()
    assert scene(at)["pinned"] == key, "a canvas that comes back lights what was clicked"
    at.button(key="graph_hold").click().run()
    job = ended(job_of(at, "hold"))
    at.session_state["watched_jobs"] = {job.id: None}
    at.switch_page(TOPOLOGY.path).run()
    assert f"{job.label} · {GRAPH.name}" in [
        link.proto.label for link in at.sidebar.get("page_link")
    ]
    at.query_params["pair"] = pair.token()
    at.run()
    at.switch_page(GRAPH.path).run()
    told = "With this neuron held at its mean over all images"
    assert told in texts(at)
    assert at.button(key="graph_hold").label == "Hold this neuron again, with the current pair"
    assert told in texts(opened(GRAPH.path, graph_class="3", pin=key))
    del job.result.outcomes[5:]
    job.state = "cancelled"
    part = opened(GRAPH.path, graph_class="3", pin=key, hold=job.id)
    assert told in texts(part)
    assert "(3 of 10 draws so far)" in texts(part)
    assert part.button(key="graph_hold").label == "Go on"
    part.button(key="graph_hold").click().run()
    more = ended(job_of(part, "hold"))
    assert (len(more.result.outcomes), more.progress) == (12, 5)


@pytest.mark.usefixtures("digits_bundle")
def test_whether_the_drawing_carries_the_class_is_said_with_numbers() -> None:
    at = opened(GRAPH.path, graph_class="3")
    at.button(key="graph_carries").click().run()
    ended(job_of(at, "carries"))
    at.run()
    assert not at.exception
    assert "neurons alone keep" in texts(at)
    (table,) = [each.value for each in at.table if "these taken away" in each.value]
    assert len(table) == 4
    assert "(" in table["these alone kept"][0]


@pytest.mark.spec("CG-4")
@pytest.mark.usefixtures("digits_bundle")
def test_the_gaps_over_all_classes_are_paired_with_their_interval() -> None:
    at = opened(GRAPH.path, graph_class="3", graph_units="3")
    at.button(key="graph_carries_all").click().run()
    found = ended(job_of(at, "carries-all")).result
    at.run()
    assert not at.exception
    gap = paired_gaps(found)["remove"]["most active"]
    (table,) = [
        each.value for each in at.table if "taken away, recall falls further by" in each.value
    ]
    told = table["taken away, recall falls further by"].tolist()
    low, high = (100 * end for end in gap.ci95)
    assert told[1] == f"{100 * gap.mean:+.1f} ({low:+.1f} to {high:+.1f})"
    assert f"the mean over {gap.n} classes" in texts(at)
    assert f"{sum(each.whole.n for each in found):,} held-out images" in texts(at)


@pytest.mark.spec("CG-4")
@pytest.mark.usefixtures("twin")
def test_what_a_bundle_keeps_of_all_classes_is_told_at_once() -> None:
    shares = {"drawn": 0.5, RANDOM: 0.25, ACTIVE: 0.75}
    found = [Faithfulness(label, 9, Rate(8, 8), shares, shares) for label in range(10)]
    keep_faithful(load_bundle("twin"), Asked(), found)
    keep_faithful(load_bundle("twin"), Asked(strongest=2), found)
    at = opened(GRAPH.path, bundle="twin", graph_class="3")
    assert not at.exception
    assert "graph_carries_all" not in [button.key for button in at.button]
    (table,) = [each.value for each in at.table if "against" in each.value]
    assert table["neurons"].tolist()[1:3] == [
        "all drawn neurons",
        "the 2 strongest drawn neurons of each layer",
    ]
    assert table["kept alone, recall stays higher by"][1] == "-25.0 (-25.0 to -25.0)"
    assert "All drawn neurons do not clearly matter more than random ones" in texts(at)
    assert "the mean over 10 classes" in texts(at)
    assert "80 held-out images" in texts(at)


@pytest.mark.parametrize(
    ("random", "active", "told"),
    [
        (0.1, 0.1, "more than random ones and than the most active"),
        (0.1, -0.1, "but not clearly more than the most active"),
        (-0.1, 0.1, "do not read this as a mechanism"),
    ],
)
def test_the_claim_says_no_more_than_the_gaps(random: float, active: float, told: str) -> None:
    gaps = {name: PairedGap.of([gap] * 3) for name, gap in ((RANDOM, random), (ACTIVE, active))}
    words = claim({"remove": gaps, "keep_only": gaps}, "these")
    assert told in words
    assert ("keep more of the recall" in words) == (random > 0)


def test_an_attack_is_measured_beside_the_page(digits_bundle: Bundle) -> None:
    row = digits_bundle.gallery[0]
    link = {"graph_class": row.predicted_before, "graph_other": row.predicted_after}
    at = measured(opened(GRAPH.path, graph_show="attack", **link))
    assert scene(at)["bands"][3]["name"] == "exploited by the attack"
    assert "that attacks turn into" in texts(at)
    assert "of what attacks exploit it is not known" in texts(at)
    at.button(key="graph_carries_elsewhere").click().run()
    assert "graph_show" not in at.query_params
    assert f"of the influence on {row.predicted_before}" in texts(at)
    assert at.button(key="graph_carries")
    link |= {"graph_other": link["graph_class"]}
    own = measured(opened(GRAPH.path, graph_show="difference", **link))
    assert f"less attacked images of {row.predicted_before}" in texts(own)
    assert f"told by the logit of {row.predicted_before} in both" in texts(own)


def test_whether_attacks_need_what_they_exploit_is_asked(
    digits_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = digits_bundle.gallery[0]
    before, after = row.predicted_before, row.predicted_after

    def often(*asked: Any) -> tuple[np.ndarray, ...]:
        return tuple(np.concatenate([each] * FEWEST) for each in attacked_images(*asked))

    monkeypatch.setattr(exploits, "attacked_images", often)
    at = measured(opened(GRAPH.path, graph_show="attack", graph_class=before, graph_other=after))
    assert f"of {before} that attacks turn into {after}" in texts(at)
    at.button(key="graph_exploits").click().run()
    test = ended(job_of(at, "exploits")).result
    at.run()
    assert not at.exception
    (table,) = [each.value for each in at.table if "neurons held" in each.value]
    assert table[f"{before} again"].tolist() == [step.rate.text for step in test.steps]
    assert test.images >= FEWEST


@pytest.mark.usefixtures("digits_bundle")
def test_a_bundle_without_graphs_says_how_to_make_them(
    twin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("twin", "digits-cnn"):
        manifest = twin / "bundles" / name / "manifest.json"
        about = json.loads(manifest.read_text())
        about["files"].pop("graph.npz")
        manifest.write_text(json.dumps(about))
    at = opened(GRAPH.path, bundle="twin")
    assert not at.exception
    assert "python -m ndcore build twin --only graph" in at.info[0].value
    assert not components(at)
