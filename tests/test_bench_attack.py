from __future__ import annotations

import numpy as np
import pytest

from benchmarks import attack as benchmark
from benchmarks.attack_peers import PEERS, Counter, Setting
from ndcore.bundle import Bundle
from ndcore.data import open_source


@pytest.mark.usefixtures("digits_bundle")
def test_it_runs_on_a_small_bundle(digits_bundle: Bundle, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(benchmark, "ROUNDS", 1)
    picture = tmp_path / "curve.svg"
    found = benchmark.run(digits_bundle, 6, de_queries=400, picture=str(picture))
    assert found["name"] == "attack"
    rows = {row["what"]: row for row in found["rows"]}
    assert rows["exhaustive, float32"]["ratio"] > 0
    difference = next(row for what, row in rows.items() if "logit difference" in what)
    assert difference["value"] < 1e-4
    assert found["engines"]["fast"]["attacked"] == 6
    assert picture.read_text().startswith("<svg")
    assert set(found["curves"]) == {"exhaustive", "fast", "de"}


def test_scipy_as_a_peer_counts_its_queries(digits_bundle: Bundle) -> None:
    source = open_source("digits")
    model = Counter(digits_bundle.model).eval()
    image = source.pixels([0])[0]
    attack = PEERS["scipy differential_evolution"][1]
    found = attack(model, image, int(source.labels[0]), Setting(60, 3), 0)
    assert found.dtype == np.uint8
    assert (found != image).any(-1).sum() <= 1
    assert 0 < model.images <= 60 * 4
