"""Training Evolution's graph of a class at two epochs, on runs recorded here on digits."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from ndcore.evolution.store import SNAPSHOTS
from pages.ui.frame.page_list import EVOLUTION
from tests.pages.evolution.conftest import MODELS
from tests.ui import components, ended, job_of, linked, opened, texts


def scene(at: AppTest) -> dict[str, Any]:
    (drawn,) = components(at)
    (length,) = struct.unpack("<I", drawn.proto.bytes[:4])
    return dict(json.loads(drawn.proto.bytes[8 : 8 + length]))


def shown(**link: str) -> AppTest:
    link = {"run": MODELS[0], "part": "Graph", "epoch_class": "3"} | link
    at = opened(EVOLUTION.path, **link)
    assert not at.exception
    if not components(at):
        ended(job_of(at, "epoch-graph"))
        at.run()
    assert not at.exception
    return at


@pytest.mark.spec("CG-6", "DV-12")
@pytest.mark.usefixtures("cache")
def test_a_class_at_two_epochs_and_what_differs() -> None:
    at = shown()
    assert "3 at epoch 3 less epoch 1" in texts(at)
    drawn = scene(at)
    assert {unit["sign"] for unit in drawn["units"]} == {-1, 1}
    assert drawn["sheet"]["count"] > 10, "what drives the neurons is pictured"
    assert [unit["label"] for unit in drawn["units"] if unit["label"]] == ["3"]
    told = [entry["text"] for entry in drawn["legend"]]
    assert "counts more for 3 at epoch 3" in told
    at.segmented_control(key="evo_graph_show").set_value("earlier").run()
    assert not at.exception
    assert scene(at)["title"] == "Concept graph of 3 at epoch 1"
    assert "of the influence on 3 at epoch 1" in texts(at)
    fresh = shown(**dict(at.query_params))
    assert scene(fresh)["units"] == scene(at)["units"]
    at.selectbox(key="evo_graph_to").select(2).run()
    ended(job_of(at, "epoch-graph"))
    at.segmented_control(key="evo_graph_show").set_value("later").run()
    assert scene(at)["title"] == "Concept graph of 3 at epoch 2"


@pytest.mark.usefixtures("cache")
def test_from_the_graph_to_the_neuron() -> None:
    at = shown(epoch_pin="relu2:4")
    at.button(key="evo_graph_look").click().run()
    assert not at.exception
    assert (linked(at, "part"), linked(at, "layer"), linked(at, "unit")) == ("Neuron", "relu2", "4")


def test_without_weights_the_command_that_keeps_them_is_told(cache: Path) -> None:
    snapshots = cache / "runs" / MODELS[1] / SNAPSHOTS
    away = snapshots.rename(snapshots.with_name("away"))
    try:
        at = opened(EVOLUTION.path, run=MODELS[1], part="Graph")
    finally:
        away.rename(snapshots)
    assert not at.exception
    assert f"python -m ndcore train {MODELS[1]} --data digits --record" in texts(at)
