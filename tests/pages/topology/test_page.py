"""The Topology page by AppTest: what it draws, chooses and sends on."""

from __future__ import annotations

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from ndcore.bundles.bundle import Bundle
from ndcore.data.pairs import Pair
from ndcore.statistics.intervals import Rate
from ndcore.tasks.triage import TriageJob
from ndcore.topology.branches import Branch
from pages.ui.frame.page_list import TOPOLOGY
from pages.ui.topology import branch_points, vectors
from tests.ui import captions, ended, job_of, linked, opened, texts

PAGE = TOPOLOGY.path
FEW = {"topology_images": "digits", "topology_n": "420", "topology_intervals": "8"}


def figure(at: AppTest, layer: str = "dense_1") -> dict[str, object]:
    import json

    (chart,) = [each for each in at.get("plotly_chart") if each.proto.id.endswith(f"graph_{layer}")]
    found: dict[str, object] = json.loads(chart.proto.spec or chart.proto.figure.spec)
    return found


def dots(at: AppTest, layer: str = "dense_1") -> list[int]:
    """Nodes that are drawn."""
    traces = figure(at, layer)["data"]
    return sorted(row[0] for trace in traces for row in trace.get("customdata") or [])


@pytest.mark.usefixtures("digits_bundle")
def test_the_graph_is_there_when_the_page_opens() -> None:
    at = opened(PAGE, **FEW)
    assert not at.exception
    assert not at.error
    nodes = dots(at)
    assert nodes == list(range(len(nodes)))
    assert len(nodes) > 3
    assert "attacked images" in texts(at)
    assert "The pair in" in texts(at)


@pytest.mark.spec("TA-3")
@pytest.mark.usefixtures("digits_bundle")
def test_edges_are_hidden_and_classes_are_searched() -> None:
    at = opened(PAGE, **FEW)

    def lines() -> int:
        return sum(
            len(trace["x"]) // 3
            for trace in figure(at)["data"]
            if trace["mode"] == "lines" and len(trace["x"]) % 3 == 0 and not trace.get("name")
        )

    every = lines()
    at.slider(key="topology_jaccard").set_value(1.0).run()
    assert lines() == 0 < every
    at.slider(key="topology_jaccard").set_value(0.0)
    at.multiselect(key="topology_classes").set_value(["3"]).run()
    assert not at.exception
    assert linked(at, "topology_classes") == "3"
    told = str(figure(at)["data"])
    assert "rgba(135, 146, 162, 0.3)" in told, "the others are grey"
    for colour, words in (
        ("norm", "mean length"),
        ("divergence", "mean divergence"),
        ("error", "wrong class"),
        ("attacked", "attacked images as a share"),
    ):
        at.button_group(key="topology_colour").set_value(colour).run()
        assert not at.exception
        assert words in str(figure(at)["data"])


@pytest.mark.spec("TA-4")
@pytest.mark.usefixtures("digits_bundle")
def test_a_cluster_opens_its_images_and_goes_to_triage() -> None:
    at = opened(PAGE, **FEW, node="dense_1:0")
    assert not at.exception
    assert "Cluster 0 of dense_1" in texts(at)
    assert "purity" in texts(at)
    assert "average of" in captions(at)
    assert [each for each in at.button if each.key and each.key.startswith("tile_cluster_")]
    at.button(key="cluster_triage").click().run()
    job = ended(job_of(at, "triage"))
    assert isinstance(job.result, TriageJob)
    assert len(job.result.images) >= 5
    assert not at.exception


@pytest.mark.usefixtures("digits_bundle")
def test_the_chosen_cluster_stays_the_one_with_the_same_images() -> None:
    at = opened(PAGE, **FEW, node="dense_1:1")
    before = at.session_state["topology_held"][2]
    at.slider(key="topology_intervals").set_value(9).run()
    assert not at.exception
    now = at.session_state["topology_held"][2]
    assert len(np.intersect1d(before, now)) > 0.3 * len(before)
    at.selectbox(key="topology_images_digits-cnn").set_value("digits").run()
    assert opened(PAGE, **FEW, node="dense_1:999").session_state["kept_node"] == []


@pytest.mark.spec("TA-5")
def test_the_pair_and_the_attacked_images_are_laid_on_it(digits_bundle: Bundle, pair: Pair) -> None:
    at = opened(PAGE, **FEW, pair=pair.token())
    told = texts(at)
    assert "The pair in dense_1" in told
    assert "the benign image lies in" in told
    assert f"Of {len(digits_bundle.gallery)} attacked images" in told
    names = {trace.get("name") for trace in figure(at)["data"]}
    assert any(name and "benign image" in name for name in names)
    assert any(name and "attacked image" in name for name in names)


@pytest.mark.usefixtures("digits_bundle")
def test_clusters_with_attacked_images_are_ranked_and_show_them() -> None:
    wide = FEW | {"topology_share": "100"}  # every benign image is within a cluster
    at = opened(PAGE, **wide, topology_tab="Attacked images")
    assert not at.exception
    (table,) = [each.value for each in at.dataframe if "attacked" in each.value]
    counts = table["attacked"].tolist()
    assert counts == sorted(counts, reverse=True)
    assert counts[0] >= 1
    cluster, benign = table["cluster"][0], table["benign"][0]
    at.button(key=f"crowd_dense_1_{cluster}").click().run()
    assert not at.exception
    plural = "s" if counts[0] > 1 else ""
    told = f"{benign:,} benign and {counts[0]} attacked image{plural}"
    assert f"Cluster {cluster} of dense_1: {told}" in texts(at)
    tiles = [each for each in at.button if (each.key or "").startswith("tile_attacked_")]
    assert len(tiles) == min(counts[0], 12)
    tiles[0].click().run()
    assert not at.exception
    assert linked(at, "pair")


@pytest.mark.usefixtures("digits_bundle")
def test_how_many_branch_points_are_not_shown_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def many(*_: object) -> list[Branch]:
        return [Branch(node, Rate(1, 2), 1.0, (0, 1), 0.5) for node in range(11)]

    monkeypatch.setattr(branch_points, "branches", many)
    at = opened(PAGE, **FEW)
    assert not at.exception
    assert "8 of 11 branch points" in texts(at)
    assert sum((each.key or "").startswith("branch_") for each in at.button) == 8


@pytest.mark.spec("TA-6")
@pytest.mark.usefixtures("digits_bundle")
def test_branch_points_and_stability_are_on_the_page() -> None:
    at = opened(PAGE, **FEW, topology_first="3", topology_second="8")
    assert not at.exception
    at = opened(PAGE, **FEW, topology_tab="Stability")
    at.button(key="look_stable").click().run()
    job = ended(job_of(at, "stability"))
    assert job.state == "done"
    at.run()
    assert not at.exception
    assert "edges stay in all 8 graphs" in texts(at)
    assert "kept by" in str(figure(at)["data"])


@pytest.mark.spec("TA-7")
def test_layers_stand_side_by_side_and_share_the_chosen_images(digits_bundle: Bundle) -> None:
    layers = digits_bundle.layers[-3:-1]
    at = opened(PAGE, **FEW, topology_layers=",".join(layers), node=f"{layers[-1]}:0")
    assert not at.exception
    for layer in layers:
        assert dots(at, layer)
    other = figure(at, layers[0])["data"]
    assert [t for t in other if t.get("marker", {}).get("symbol") == "circle"]


@pytest.mark.usefixtures("digits_bundle")
def test_many_images_are_read_by_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "AT_ONCE", 1)
    link = FEW | {"topology_n": "321"}
    at = opened(PAGE, **link)
    assert not at.get("plotly_chart")
    at.button(key="topology_read").click().run()
    assert ended(job_of(at, vectors.KIND)).state == "done"
    at.run()
    assert dots(at)


@pytest.mark.spec("TA-2")
@pytest.mark.usefixtures("digits_bundle")
def test_a_preset_sets_every_control_and_epsilon_is_on_the_curve() -> None:
    at = opened(PAGE, **FEW, topology_tab="Epsilon")
    assert "85% of the vectors" not in texts(at)
    at.slider(key="topology_share").set_value(85).run()
    assert "85% of the vectors have 5" in texts(at)
    at.button(key="preset_topoact").click().run()
    assert not at.exception
    assert at.slider(key="topology_overlap").value == 20
    assert at.slider(key="topology_intervals").value == 40
    assert at.toggle(key="topology_elbow").value
    assert at.slider(key="topology_share").disabled
    at.button(key="preset_usual").click().run()
    assert at.slider(key="topology_overlap").value == 30
