"""A class at two epochs: what a network learned in between is what its graphs differ by."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ndcore.analysis.epoch_graphs import epoch_graphs
from ndcore.concept_graph.graph import INFLUENCE, Unit
from ndcore.errors import BadRequestError, StoppedError
from ndcore.evolution import EvolutionRun, load_run
from ndcore.evolution.store import epoch_file, seal, snapshot_file
from ndcore.networks.deep_view import build_network
from ndcore.networks.weights import save_weights
from tests.planted_runs import plant

CAT = 3
LEARNED = Unit("relu4", 5)


@pytest.fixture
def run(tmp_path: Path) -> EvolutionRun:
    """Unit 5 of the fourth layer is silent at epoch 1; nothing else differs at epoch 2."""
    folder = plant(tmp_path / "runs" / "lenet", "lenet", recorded=2, planned=2) / "evolution"
    shutil.copy(epoch_file(folder, "detail", 2), epoch_file(folder, "detail", 1))
    seal(folder)
    torch.manual_seed(0)
    network = build_network("lenet")
    save_weights(snapshot_file(folder, 2), dict(network.state_dict()), half=True)
    convolution = network.get_submodule("conv4")
    with torch.no_grad():
        for weights in convolution.parameters():
            weights[LEARNED.unit] = 0
    save_weights(snapshot_file(folder, 1), dict(network.state_dict()), half=True)
    return load_run(folder.parent)


@pytest.fixture
def pixels() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (20, 32, 32, 3)).astype(np.uint8)


@pytest.mark.spec("CG-6")
def test_what_was_learned_is_what_differs(run: EvolutionRun, pixels: NDArray[np.uint8]) -> None:
    told: list[tuple[int, int]] = []
    found = epoch_graphs(run, (1, 2), CAT, pixels, on_images=lambda *each: told.append(each))
    graph = found[INFLUENCE]
    assert (graph.first.name, graph.second.name) == ("cat at epoch 2", "cat at epoch 1")
    changes = {each.node.unit: each.change for each in graph.nodes}
    assert changes[LEARNED].second == 0
    assert changes[LEARNED].first > 0
    before = [change for unit, change in changes.items() if unit.layer == "relu4"]
    assert max(before, key=lambda change: abs(change.difference)) == changes[LEARNED]
    assert told[-1] == (40, 40)


def test_what_cannot_be_said_is_one_sentence(run: EvolutionRun, pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(BadRequestError, match="weights of epoch 7 are not on this machine"):
        epoch_graphs(run, (1, 7), CAT, pixels)
    foreign = replace(run, about=run.about | {"model": "somebody.py:net"})
    with pytest.raises(BadRequestError, match="no build here has allowed"):
        epoch_graphs(foreign, (1, 2), CAT, pixels)
    with pytest.raises(StoppedError):
        epoch_graphs(run, (1, 2), CAT, pixels, should_stop=lambda: True)
